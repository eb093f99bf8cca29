//! The login that a token gives. The names of the request's user are compared with that login, and are replaced by the
//! spelling of the token.
//!
//! Names are compared more strictly here than `service.user_names` compares sessions. That rule only groups sessions;
//! this comparison decides as whom a session is started. Folding all of Unicode would take `marK`, with a Kelvin sign,
//! for `mark`, and the short form would take the `bob` of any domain for `bob`: a domain is left out only where the
//! config lists that domain.

use serde_json::{Map, Value};

use crate::model::UserNames;

use super::error::TokenError;
use super::policy::TokenPolicy;
use super::verifier::find;

/// The fields of a user that say who the user is.
pub(super) const LOGIN_NAMES: [&str; 3] = ["login", "username", SUBJECT];
/// The name of an issuer's own identifier of a user, in a token and in a user.
const SUBJECT: &str = "sub";

/// The login of a token.
#[derive(Clone, Copy, Debug)]
pub(super) struct TokenLogin<'t> {
    /// The login, in the spelling of the token.
    own: &'t str,
    /// The issuer's own identifier of the user, which often is no login.
    subject: Option<&'t str>,
    domains: &'t [String],
    names: UserNames,
}

impl<'t> TokenLogin<'t> {
    /// Returns the login in the claim that `policy` names; `None` where the token has no such claim.
    pub(super) fn of(claims: &'t Map<String, Value>, policy: &'t TokenPolicy, names: UserNames) -> Option<Self> {
        let own = find(claims, policy.login_claim.as_ref()?)?.as_str().filter(|own| !own.is_empty())?;
        let subject = claims.get(SUBJECT).and_then(Value::as_str);
        Some(Self { own, subject, domains: &policy.login_domains, names })
    }

    /// Returns the token's spelling of `name`: the token's login, or that login without a listed domain. `None` where
    /// `name` is another user's.
    pub(super) fn spelling(&self, name: &str) -> Option<&'t str> {
        let is = |one: &str, other: &str| match self.names {
            UserNames::AsIs => one == other,
            UserNames::IgnoreCase | UserNames::Short => one.eq_ignore_ascii_case(other),
        };
        let short = without_domain(self.own, self.domains);
        match (is(self.own, name), is(short, name)) {
            (true, _) => Some(self.own),
            (false, true) => Some(short),
            (false, false) => is(self.own, without_domain(name, self.domains)).then_some(self.own),
        }
    }

    /// Makes sure that every name of the user of `request` is this login's: scripts, home rules and job commands may
    /// read any of the names.
    ///
    /// # Errors
    /// The name that is another user's.
    pub(super) fn check(&self, request: &Map<String, Value>, claim: &str) -> Result<(), TokenError> {
        let params = request.get("params").and_then(Value::as_object);
        let users = [("user", request.get("user")), ("params.me", params.and_then(|params| params.get("me")))];
        for (path, user) in users {
            let Some(user) = user.and_then(Value::as_object) else { continue };
            if let Some(name) = LOGIN_NAMES.iter().find(|name| !self.is_own(name, user.get(**name))) {
                return Err(TokenError::OtherName { field: format!("{path}.{name}"), claim: claim.to_owned() });
            }
        }
        Ok(())
    }

    /// Whether `value` of the field `name` of a user names this user, or nobody.
    fn is_own(&self, name: &str, value: Option<&Value>) -> bool {
        match value {
            None | Some(Value::Null) => true,
            Some(Value::String(value)) => {
                value.is_empty() || self.spelling(value).is_some() || self.is_subject(name, value)
            }
            Some(_) => false,
        }
    }

    /// Whether `value` of the field `name` is the issuer's identifier of the user.
    fn is_subject(&self, name: &str, value: &str) -> bool {
        name == SUBJECT && self.subject == Some(value)
    }

    /// Writes the names of the user of `request` as the token spells them: a session then starts as this user, and not
    /// as another user with a name that differs by case.
    pub(super) fn write_into(&self, request: &mut Map<String, Value>) {
        self.write_user(request.get_mut("user"));
        self.write_user(request.get_mut("params").and_then(|params| params.get_mut("me")));
    }

    fn write_user(&self, user: Option<&mut Value>) {
        let Some(user) = user.and_then(Value::as_object_mut) else { return };
        for name in LOGIN_NAMES {
            if let Some(Value::String(value)) = user.get_mut(name)
                && !self.is_subject(name, value)
                && let Some(spelling) = self.spelling(value)
            {
                spelling.clone_into(value);
            }
        }
    }
}

/// Returns `name` without the domain (`SITE\ann`, `ann@site.example`), where `domains` has that domain.
fn without_domain<'n>(name: &'n str, domains: &[String]) -> &'n str {
    let is_listed = |domain: &str| domains.iter().any(|listed| listed.eq_ignore_ascii_case(domain));
    let before = name.split_once('\\').filter(|(domain, _)| is_listed(domain)).map(|(_, user)| user);
    let after = name.rsplit_once('@').filter(|(_, domain)| is_listed(domain)).map(|(user, _)| user);
    before.or(after).filter(|user| !user.is_empty()).unwrap_or(name)
}

#[cfg(test)]
mod tests;
