//! Texts that every language uses the same way, for scripts that ask for unavailable features.

/// The advice where executables can do something that scripts cannot.
pub(super) const USE_AN_EXECUTABLE: &str = "use an executable step for that";

/// The reason why a pure function may not use a feature; follows the name of the feature.
pub(super) const NOT_PURE: &str = "is not available to a function of one parameter, whose result is kept for its node: \
    give it a second parameter, the request";
