//! The changes of a request by a verified token: the claims that scripts see, and the groups and rights.

use serde_json::{Map, Value};

use crate::model::{UserNames, json};

use super::error::TokenError;
use super::login::{LOGIN_NAMES, TokenLogin};
use super::policy::{TokenPolicy, Unverified};
use super::verifier::{SignedClaims, TokenVerifier, find};

/// The field of a request with the claims.
const CLAIMS: &str = "claims";
/// The fields of a user, beside the names, that a claim does not replace.
const OWN_FIELDS: [&str; 2] = ["serverId", "sessions"];

/// Returns the token in `params.jwt` of `request`.
///
/// # Errors
/// There is no token, the token is no text, or has more bytes than `policy` allows.
pub fn request_token<'r>(request: &'r Map<String, Value>, policy: &TokenPolicy) -> Result<&'r str, TokenError> {
    let token = request.get("params").and_then(|params| params.get("jwt"));
    match token {
        None | Some(Value::Null) => Err(TokenError::Missing),
        Some(Value::String(token)) if token.is_empty() => Err(TokenError::Missing),
        Some(Value::String(token)) if token.len() > policy.max_bytes => {
            Err(TokenError::TooLarge { bytes: token.len(), most: policy.max_bytes })
        }
        Some(Value::String(token)) => Ok(token),
        Some(other) => Err(TokenError::NotText(json::kind(other))),
    }
}

impl TokenVerifier {
    /// Puts into `request` what follows from the token that was `judged`: the claims, and the login by the rule
    /// `names`; or no claims, where requests without a valid token are let through. Returns the reason where the token
    /// was ignored.
    ///
    /// # Errors
    /// The reason why the request is refused.
    pub fn settle(
        &self,
        request: &mut Map<String, Value>,
        judged: Result<&SignedClaims, TokenError>,
        names: UserNames,
    ) -> Result<Option<TokenError>, TokenError> {
        let policy = self.policy();
        match judged {
            Ok(signed) => {
                with_claims(request, policy, Some(&signed.claims));
                if let Some(login) = TokenLogin::of(&signed.claims, policy, names) {
                    login.write_into(request);
                }
                Ok(None)
            }
            Err(error) if policy.unverified == Unverified::Refuse => Err(error),
            Err(error) => {
                with_claims(request, policy, None);
                Ok(Some(error))
            }
        }
    }
}

/// Takes the requester's own claims out of `request`: where tokens are verified, only claims of a token count. Returns
/// whether there were any.
pub fn without_claims(request: &mut Map<String, Value>) -> bool {
    request.shift_remove(CLAIMS).is_some()
}

/// Puts the listed `claims` of a verified token into `request`, with the groups and rights that come from them by
/// `policy`. Without claims there are none, and no groups and rights from them either. Fields that the token is to give
/// are taken out of the requester's user: a rule that falls back to these fields would trust the requester again.
fn with_claims(request: &mut Map<String, Value>, policy: &TokenPolicy, claims: Option<&Map<String, Value>>) {
    let none = Map::new();
    let claims = claims.unwrap_or(&none);
    let mut shown = Map::new();
    for name in &policy.claims {
        if let Some(value) = claims.get(name) {
            shown.insert(name.clone(), value.clone());
        }
        drop_own_word(request, name);
    }
    if let Some(name) = &policy.groups_claim {
        request.insert("userGroups".to_owned(), groups(find(claims, name)));
        drop_own_word(request, "groups");
    }
    if let Some(name) = &policy.admin_claim {
        let is_admin = find(claims, name).is_some_and(|value| makes_admin(value, &policy.admin_values));
        request.insert("isAdmin".to_owned(), Value::Bool(is_admin));
        drop_own_word(request, "isAdmin");
    }
    request.insert(CLAIMS.to_owned(), Value::Object(shown));
}

/// Takes the field `name` out of the user of `request`, under both generations' names.
fn drop_own_word(request: &mut Map<String, Value>, name: &str) {
    if LOGIN_NAMES.contains(&name) || OWN_FIELDS.contains(&name) {
        return;
    }
    let drop_from = |user: Option<&mut Value>| {
        if let Some(user) = user.and_then(Value::as_object_mut) {
            user.shift_remove(name);
        }
    };
    drop_from(request.get_mut("user"));
    drop_from(request.get_mut("params").and_then(|params| params.get_mut("me")));
}

/// Returns the groups in `claim`: a list of names, or one name.
fn groups(claim: Option<&Value>) -> Value {
    match claim {
        Some(Value::Array(groups)) => groups.iter().filter(|group| group.is_string()).cloned().collect(),
        Some(group @ Value::String(name)) if !name.is_empty() => Value::Array(vec![group.clone()]),
        _ => Value::Array(Vec::new()),
    }
}

/// Whether the value of the claim about rights makes an administrator: one of `values`, or `true` where there are none.
fn makes_admin(claim: &Value, values: &[String]) -> bool {
    let is_among = |value: &Value| value.as_str().is_some_and(|value| values.iter().any(|own| own == value));
    match claim {
        Value::Bool(flag) => *flag && values.is_empty(),
        Value::Array(all) => all.iter().any(is_among),
        one => is_among(one),
    }
}
