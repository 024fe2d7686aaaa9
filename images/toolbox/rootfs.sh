#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
#
# rootfs.sh DOWNLOADS MODULES APPLETS ROOT - the toolbox's root file system: the original ELF files of Debian's binary packages at their usual
# paths (their hashes are what the manifest lists; nothing of them is ever executed), a small /etc, time zones and two example scripts.
set -eu
downloads=$1 modules=$2 applets=$3 root=$4
here=$(cd "$(dirname "$0")" && pwd)
packages="dash busybox-static lua5.4 sqlite3 jq base-files tzdata"

mkdir -p "$downloads"
cd "$downloads"
for package in $packages; do
    ls "${package}"_*.deb >/dev/null 2>&1 && continue
    echo "  DEB     $package"
    apt-get -qq download "$package" 2>download.log || { cat download.log >&2; exit 1; }
done

rm -rf "$root" "$root.unpacked"
mkdir -p "$root" "$root.unpacked"
for package in dash busybox-static lua5.4 sqlite3 jq tzdata; do
    dpkg-deb -x "$(ls "$downloads/${package}"_*.deb | tail -1)" "$root.unpacked/$package"
done
cd "$root"
mkdir -p bin sbin usr/bin usr/sbin usr/lib usr/local/bin usr/share/zoneinfo usr/share/doc etc/profile.d home var/tmp var/log var/lib run dev proc sys mnt \
    opt srv lib tmp root
chmod 1777 tmp var/tmp
chmod 0700 root

from=$root.unpacked
find_program() { # PACKAGE NAME: the program wherever the package has it
    find "$from/$1" -type f -name "$2" -perm -100 | grep -E '/s?bin/' | head -1
}
cp -p "$(find_program dash dash)" bin/dash
cp -p "$(find_program busybox-static busybox)" bin/busybox
cp -p "$(find_program lua5.4 lua5.4)" usr/bin/lua5.4
cp -p "$(find_program sqlite3 sqlite3)" usr/bin/sqlite3
cp -p "$(find_program jq jq)" usr/bin/jq
ln -s dash bin/sh
ln -s lua5.4 usr/bin/lua
install -m 755 "$modules/wasi-info.wasm" usr/bin/wasi-info

# One file, many names: every applet that both Debian's busybox and our module have, as hard links.
while read -r path; do
    [ -e ".$path" ] || [ -L ".$path" ] || ln bin/busybox ".$path"
done <"$applets"

for zone in UTC Europe/Berlin Europe/London America/New_York Asia/Tokyo Asia/Kolkata Australia/Sydney; do
    mkdir -p "usr/share/zoneinfo/$(dirname "$zone")"
    cp "$from/tzdata/usr/share/zoneinfo/$zone" "usr/share/zoneinfo/$zone"
done
cp "$from/tzdata/usr/share/zoneinfo/UTC" usr/share/zoneinfo/Etc-UTC && mkdir -p usr/share/zoneinfo/Etc && mv usr/share/zoneinfo/Etc-UTC usr/share/zoneinfo/Etc/UTC
for package in dash busybox-static lua5.4 sqlite3 jq; do
    mkdir -p "usr/share/doc/$package"
    cp "$from/$package/usr/share/doc/$package/copyright" "usr/share/doc/$package/copyright"
done

cp -R "$here/files/." .
chmod 755 usr/local/bin/*
ln -sf ../usr/share/zoneinfo/UTC etc/localtime
rm -rf "$from"
# Nothing of the image depends on when it was made.
find . -exec touch -h -d "@${SOURCE_DATE_EPOCH:-1767225600}" {} +
