//! The rules for tokens: which are accepted, and what of them scripts see.

use std::collections::BTreeSet;

use jsonwebtoken::Algorithm;

use super::verifier::{TokenDigest, digest_of};

/// The algorithms by their names. `none` is no algorithm.
pub const ALGORITHMS: [(&str, Algorithm); 12] = [
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
    ("HS256", Algorithm::HS256),
    ("HS384", Algorithm::HS384),
    ("HS512", Algorithm::HS512),
];

/// Returns the algorithm called `name`.
#[must_use]
pub fn algorithm(name: &str) -> Option<Algorithm> {
    ALGORITHMS.into_iter().find(|(known, _)| *known == name).map(|(_, algorithm)| algorithm)
}

/// Returns the name of `algorithm`.
pub(super) fn name_of(algorithm: Algorithm) -> &'static str {
    ALGORITHMS.into_iter().find(|(_, known)| *known == algorithm).map_or("", |(name, _)| name)
}

/// What becomes of a request without a token that is accepted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unverified {
    /// The request is refused.
    #[default]
    Refuse,
    /// The request goes on without claims.
    Ignore,
}

impl Unverified {
    /// Every choice.
    pub const ALL: [Self; 2] = [Self::Refuse, Self::Ignore];

    /// Returns the name in a config.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Ignore => "ignore",
        }
    }
}

/// The rules for tokens.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TokenPolicy {
    /// The algorithms that are accepted.
    pub algorithms: Vec<Algorithm>,
    /// The issuers that are accepted; empty where the issuer is not looked at.
    pub issuers: Vec<String>,
    /// The audiences of which a token must have one; empty where the audience is not looked at.
    pub audiences: Vec<String>,
    /// The difference of clocks that is forgiven, in seconds.
    pub leeway_s: u32,
    /// The longest token, in bytes.
    pub max_bytes: usize,
    /// The most verified tokens that are remembered.
    pub remembered: usize,
    /// The claims that scripts see.
    pub claims: Vec<String>,
    /// The claim that lists the user's groups, where they come from the token.
    pub groups_claim: Option<String>,
    /// The claim that says whether the user is an administrator, where that comes from the token.
    pub admin_claim: Option<String>,
    /// The values of that claim that make an administrator; where empty, `true` does.
    pub admin_values: Vec<String>,
    /// The claim that must be the login of the request's user, where that is looked at.
    pub login_claim: Option<String>,
    /// The domains that a login may be written with or without.
    pub login_domains: Vec<String>,
    /// What becomes of a request without a token that is accepted.
    pub unverified: Unverified,
}

impl TokenPolicy {
    /// Returns the names of the accepted algorithms, as a list in words.
    #[must_use]
    pub fn allowed(&self) -> String {
        self.algorithms.iter().map(|algorithm| name_of(*algorithm)).collect::<Vec<_>>().join(", ")
    }

    /// Returns a digest that is the same for all rules that accept the same tokens and take the same from them.
    pub(super) fn digest(&self) -> TokenDigest {
        let Self {
            algorithms,
            issuers,
            audiences,
            leeway_s,
            max_bytes,
            // How many tokens are remembered changes what a verification costs, and nothing that is decided.
            remembered: _,
            claims,
            groups_claim,
            admin_claim,
            admin_values,
            login_claim,
            login_domains,
            unverified,
        } = self;
        let algorithms: BTreeSet<_> = algorithms.iter().map(|algorithm| name_of(*algorithm)).collect();
        let sorted = |names: &[String]| digest_of_names(names.iter().collect::<BTreeSet<_>>());
        digest_of(&[
            &digest_of_names(algorithms),
            &sorted(issuers),
            &sorted(audiences),
            &leeway_s.to_le_bytes(),
            &(*max_bytes as u64).to_le_bytes(),
            // Scripts see the claims in this order.
            &digest_of_names(claims),
            &digest_of_names(groups_claim),
            &digest_of_names(admin_claim),
            &sorted(admin_values),
            &digest_of_names(login_claim),
            &sorted(login_domains),
            unverified.as_str().as_bytes(),
        ])
    }
}

fn digest_of_names(names: impl IntoIterator<Item: AsRef<str>>) -> TokenDigest {
    let names: Vec<_> = names.into_iter().collect();
    digest_of(&names.iter().map(|name| name.as_ref().as_bytes()).collect::<Vec<_>>())
}
