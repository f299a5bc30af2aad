# Becomes the program "$@" with the root folder of this machine, in which /certs, /sds, /etc/hosts and /var/lib are its own, as
# volumes of a pod are. Called in a mount namespace of its own: nothing of this is seen outside.
set -eu
root=$1 volumes=$2
shift 2
mount --make-rprivate /
mount -t tmpfs tmpfs "$root"
for path in /*; do
    if [ -L "$path" ]; then
        cp -a "$path" "$root$path"
    elif [ -d "$path" ]; then
        mkdir "$root$path"
        mount --rbind "$path" "$root$path"
    fi
done
for name in certs sds; do
    mkdir "$root/$name"
    mount --bind "$volumes/$name" "$root/$name"
done
mount --bind "$volumes/hosts" "$root/etc/hosts"
mount --bind "$volumes/lib" "$root/var/lib"
exec chroot "$root" "$@"
