#!/bin/sh
# Unpacks a Debian cloud kernel into a directory, without installing it:
#     kernel.sh stock DIR    what this release of Debian ships (6.1 in Debian 12): kernel TLS, no KeyUpdate
#     kernel.sh rekey DIR    what the backports of Debian 13 ship (6.16 or newer): KeyUpdate, too
# Does nothing if the directory has one. Prints the version. Needs apt and kmod, and no right but to write.
set -eu

kind=$1 dir=$2
[ -e "$dir/version" ] && { cat "$dir/version"; exit 0; }

mkdir -p "$(dirname "$dir")"
dir=$(cd "$(dirname "$dir")" && pwd)/$(basename "$dir")
work=$dir.unpacking
rm -rf "$work"
mkdir -p "$work/debs" "$work/root"
trap 'rm -rf "$work"' EXIT

# What may fail because a server has a bad moment.
twice() {
    "$@" || { echo "once more: $*" >&2; sleep 5; "$@"; }
}

apt_options() {
    echo "-qq -o APT::Sandbox::User=root"
    [ "$kind" = stock ] && return
    # An apt of our own beside that of the machine, whose settings and lists stay as they are.
    echo "-o Dir::Etc::SourceList=$work/sources.list -o Dir::Etc::SourceParts=/dev/null"
    echo "-o Dir::State::Lists=$work/lists -o Dir::Cache=$work/cache"
}

# The mirror that this machine uses for Debian itself.
mirror() {
    # shellcheck disable=SC2016 # apt fills that in.
    apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Created-By: Packages' | head -n 1
}

if [ "$kind" = rekey ]; then
    mirror=$(mirror)
    [ -n "$mirror" ] || { echo "kernel.sh: apt of this machine knows no Debian mirror" >&2; exit 1; }
    keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    echo "deb [signed-by=$keyring] $mirror trixie-backports main" > "$work/sources.list"
    mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
    # shellcheck disable=SC2046 # These are words.
    twice apt-get $(apt_options) update
fi

# What a package of a kernel depends on, as far as it is a package of a kernel, too: from 7.2 on one
# has the binary and another has the modules.
parts() {
    # shellcheck disable=SC2046
    apt-cache $(apt_options) depends "$1" |
        sed -nE 's/^ *Depends: (linux-(image|binary|modules)-[^ ]*)$/\1/p'
}

packages=linux-image-cloud-amd64
seen=
while [ -n "$packages" ]; do
    next=
    for package in $packages; do
        case " $seen " in *" $package "*) continue ;; esac
        seen="$seen $package"
        # shellcheck disable=SC2046
        (cd "$work/debs" && twice apt-get $(apt_options) download "$package")
        next="$next $(parts "$package")"
    done
    packages=$(echo $next)
done
for deb in "$work"/debs/*.deb; do
    dpkg-deb -x "$deb" "$work/root"
done

cd "$work/root"
[ -d lib/modules ] || { mkdir -p lib && mv usr/lib/modules lib/modules; }
version=$(ls lib/modules)
cp "$(ls boot/vmlinuz-* "lib/modules/$version/vmlinuz" 2>/dev/null | head -n 1)" vmlinuz
rm -rf boot usr
PATH=$PATH:/usr/sbin:/sbin depmod -b "$PWD" "$version"
echo "$version" > version
cd - >/dev/null
rm -rf "$dir"
mv "$work/root" "$dir"
cat "$dir/version"
