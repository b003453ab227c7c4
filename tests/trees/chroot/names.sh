# What libc opens by itself: name services and character sets; users through PAM, whose modules are libraries.
set -e
exec 2>&1
getent passwd; getent group adm; getent services ssh; getent hosts localhost; getent ahosts 127.0.0.1; getent hosts nothing.invalid || echo $?
for c in UTF-16 ISO-8859-15 IBM037 EUC-JP BIG5 ISO-2022-KR; do printf 'grün\n' | iconv -f UTF-8 -t $c//TRANSLIT | md5sum; done
iconv -l | md5sum
useradd -m tree && printf 'tree:secret\n' | chpasswd && su tree -c 'id; echo $HOME'
getent passwd tree
# As the new user: passwd is a program of the superuser, so its process is a secure one.
su tree -c 'passwd -S; LD_PRELOAD=/nonexistent.so passwd -S' | cut -d ' ' -f 1-2
userdel -r tree
id tree || echo gone
