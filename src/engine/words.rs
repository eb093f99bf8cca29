//! What every language says the same way to a script that asks for what it cannot have.

/// What executables can do and scripts cannot.
pub(super) const USE_AN_EXECUTABLE: &str = "use an executable step for that";

/// Why a pure function may not do something, said after the name of what it did.
pub(super) const NOT_PURE: &str = "is not available to a function of one parameter, whose result is kept for its node: \
    give it a second parameter, the request";
