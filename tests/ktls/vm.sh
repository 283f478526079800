#!/bin/sh
# Boots an unpacked kernel (kernel.sh) in QEMU, runs a command in it as root, and ends with its status:
#     vm.sh KERNEL COMMAND [FILE]...
# The guest has busybox, loopback, a /tmp in memory, tls.ko with the ciphers, and each FILE, with the
# libraries that it asks for, at the path that it has here; a program is on the PATH, too.
# Its clock is read without a system call. It is interpreted (TCG), so it needs no right and works inside
# containers and other guests; no time that is measured in it says anything.
# LIMIT is the seconds after which it is given up (600), MEMORY_MIB what it gets (1536).
set -eu

kernel=$1 command=$2
shift 2
limit=${LIMIT:-600} memory=${MEMORY_MIB:-1536}
version=$(cat "$kernel/version")
modules=$kernel/lib/modules/$version
PATH=$PATH:/usr/sbin:/sbin

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root=$work/root
mkdir -p "$root/bin" "$root/modules" "$root/proc" "$root/sys" "$root/dev" "$root/tmp" "$root/etc"
cp "$(command -v busybox)" "$root/bin/busybox"
echo "127.0.0.1 localhost" > "$root/etc/hosts"
echo "root:x:0:0:root:/tmp:/bin/sh" > "$root/etc/passwd"
[ -e /etc/ssl/openssl.cnf ] && mkdir -p "$root/etc/ssl" && cp -L /etc/ssl/openssl.cnf "$root/etc/ssl/"

# A module behind those that it depends on; what this kernel has built in is no module. strace needs the
# last two to name connections.
: > "$root/modules/order"
add_module() {
    line=$(grep -E "/$1\.ko(\.xz|\.zst)?:" "$modules/modules.dep") || return 0
    for file in $(echo "${line#*:}" | tr ' ' '\n' | tac) "${line%%:*}"; do
        name=$(basename "$file" | sed -E 's/\.ko.*//')
        grep -qx "$name" "$root/modules/order" && continue
        case $file in
            *.xz) xz -dc "$modules/$file" ;;
            *.zst) zstd -qdc "$modules/$file" ;;
            *) cat "$modules/$file" ;;
        esac > "$root/modules/$name.ko"
        echo "$name" >> "$root/modules/order"
    done
}
for module in aesni-intel ghash-clmulni-intel gcm ccm seqiv ctr chacha chacha_generic chacha-x86_64 \
    poly1305-x86_64 poly1305_generic chacha20poly1305 tls inet_diag tcp_diag; do
    add_module "$module"
done

for file in "$@"; do
    file=$(realpath -s "$(command -v "$file")")
    mkdir -p "$root$(dirname "$file")"
    cp -L "$file" "$root$file"
    [ -x "$file" ] && [ ! -e "$root/bin/$(basename "$file")" ] &&
        ln -s "$file" "$root/bin/$(basename "$file")"
    ldd "$file" 2>/dev/null | grep -oE '/[^ ]+' | while read -r library; do
        mkdir -p "$root$(dirname "$library")"
        cp -Lu "$library" "$root$library"
    done
done

printf '%s\n' "$command" > "$root/command"
cat > "$root/init" <<'INIT'
#!/bin/busybox sh
/bin/busybox --install /bin 2>/dev/null
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
export PATH=/bin:/usr/bin HOME=/tmp
while read -r module; do
    insmod "/modules/$module.ko" 2>/tmp/insmod || echo "vm: $module: $(cat /tmp/insmod)"
done < /modules/order
ip link set lo up
dmesg -n 1
cd /tmp
ulimit -n 65536
sh /command
echo "vm: status $?"
sync
poweroff -f
INIT
chmod +x "$root/init"
(cd "$root" && find . | cpio -o -H newc --quiet) > "$work/initrd"

# shellcheck disable=SC2094
timeout "$limit" qemu-system-x86_64 -accel tcg -cpu max -m "$memory" -smp 2 \
    -nodefaults -no-user-config -display none -no-reboot -serial stdio \
    -kernel "$kernel/vmlinuz" -initrd "$work/initrd" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off random.trust_cpu=on clocksource=tsc tsc=reliable" </dev/null |
    tr -d '\r' | tee "$work/console" | sed '/^vm: status /d; /reboot: Power down/d'
status=$(sed -nE 's/^vm: status ([0-9]+)$/\1/p' "$work/console")
[ -n "$status" ] || { echo "vm.sh: the guest ended without a status, or was given up after $limit s" >&2; exit 125; }
exit "$status"
