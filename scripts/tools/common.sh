# What the tools in this folder share: where they install, and how. Sourced, never run.
#
# Everything lands in WHITHER_TOOLS (default: .tools at the repository's root), in a folder named after its pinned
# version, so that a new pin installs anew, nothing outside the folder changes, and removing the folder undoes it all.

say() { echo "${0##*/}: $*" >&2; }

fail() {
    say "$*"
    exit 1
}

have() { command -v "$1" >/dev/null 2>&1; }

# Sets `tools` and waits for its lock: tests may ask for the same tool at once, and the second must find what the first
# installed. The lock is held until the script ends.
open_tools() {
    tools=${WHITHER_TOOLS:-$(dirname -- "$0")/../../.tools}
    mkdir -p "$tools"
    tools=$(CDPATH='' cd -- "$tools" && pwd)
    if have flock; then
        exec 9>"$tools/.lock"
        flock 9
    fi
}

# install_tool FOLDER COMMAND...: runs the command with a scratch folder as its last argument; the folder appears under
# its name only once the command succeeded, so an interrupted download is not mistaken for an installed tool.
install_tool() {
    folder=$1
    shift
    rm -rf "$folder" "$folder.part"
    mkdir "$folder.part"
    "$@" "$folder.part" && mv "$folder.part" "$folder"
}

# pip_install REQUIREMENT FOLDER. --target touches no environment, so an externally managed Python allows it; a user's
# own pip settings (`user`, `require-virtualenv`) would refuse the flag.
pip_install() {
    pip=$(find_pip) || { say "python3 has no pip (Debian: apt-get install python3-pip)"; return 1; }
    PIP_USER=0 PIP_REQUIRE_VIRTUALENV=0 PIP_ROOT_USER_ACTION=ignore PIP_DISABLE_PIP_VERSION_CHECK=1 \
        $pip install --quiet --no-input --no-deps --only-binary :all: --upgrade --target "$2" "$1" >&2
}

find_pip() {
    for pip in "python3 -m pip" pip3 pip; do
        if $pip --version >/dev/null 2>&1; then
            echo "$pip"
            return
        fi
    done
    return 1
}

# Debian's packages are the last resort: they need root, and their versions are Debian's choice.
can_apt() {
    have apt-get && [ "$(id -u)" = 0 ] && apt-get update --quiet --quiet >&2
}

apt_install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --quiet --quiet --yes --no-install-recommends "$@" >&2
}

node_is_here() {
    if have node && have npm; then return; fi
    say "no Node.js with npm on the PATH; trying Debian's packages"
    can_apt && apt_install nodejs npm && have node && have npm
}

# npm_install PACKAGE... FOLDER. No script of a package runs.
npm_install() {
    left=$#
    while [ "$left" -gt 1 ]; do
        set -- "$@" "$1"
        shift
        left=$((left - 1))
    done
    # The folder, which was the last argument, is the first one now.
    into=$1
    shift
    npm install --silent --no-save --no-audit --no-fund --ignore-scripts --prefix "$into" "$@" >&2
}

# Quoted for the shell: a path may hold a space or a quote.
export_line() { printf "export %s='%s'\n" "$1" "$(printf %s "$2" | sed "s/'/'\\\\''/g")"; }
