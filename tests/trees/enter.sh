# Runs scripts in a copy of a tree that lasts as long as the mount namespace of this process. If a loader is named, lode-tool puts it in the place of the
# tree's own, of which nothing stays.
#
# enter.sh TREE ORIGINAL RESULTS LOADER TOOL SCRIPT...
#
# TREE is the root file system, ORIGINAL the file in it that is its loader, LOADER may be empty. In the folder RESULTS each SCRIPT of chroot/ leaves
# SCRIPT.stdout, SCRIPT.stderr and SCRIPT.status.
set -eu
tree=$1 original=$2 results=$3 loader=$4 tool=$5
shift 5
sources=$(cd "$(dirname "$0")/chroot" && pwd)

mount --make-rprivate /
mkdir "$results/copy"
mount -t tmpfs none "$results/copy"
cd "$results/copy"
mkdir upper work root
mount -t overlay -o "lowerdir=$tree,upperdir=upper,workdir=work" none root

if [ -n "$loader" ]; then
    "$tool" install --root "$results/copy/root" --as ld-linux-x86-64.so.2 --loader "$loader" >&2
    find root -xdev -name 'lode-original.*' -delete
    left=$(find root -xdev -type f -size "$(stat -c %s "$original")c" -exec cmp -s {} "$original" \; -print)
    case $(chroot root /lib64/ld-linux-x86-64.so.2 --version) in ld-lode*) ;; *) left=/lib64/ld-linux-x86-64.so.2 ;; esac
    if [ -n "$left" ]; then
        echo "another loader is left: $left" >&2
        exit 1
    fi
fi

mount --rbind /dev root/dev
mount --rbind /proc root/proc
mount -t tmpfs none root/tmp
cp -r "$sources" root/tmp/sources

for script; do
    mkdir "root/tmp/$script"
    status=0
    # A runner of tests may ignore interrupts, and no shell below could undo that; python's tests send some.
    env -i --default-signal PATH=/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 HOME=/root DEBIAN_FRONTEND=noninteractive \
        chroot root /bin/sh -c "cd /tmp/$script && exec sh ../sources/$script.sh" \
        </dev/null >"$results/$script.stdout" 2>"$results/$script.stderr" || status=$?
    echo "$status" >"$results/$script.status"
done
