# perl with modules that are shared libraries, threads of its interpreter, and children.
set -e
exec 2>&1
perl -v | grep -c 'This is perl'
perl -e '
use strict; use warnings;
use POSIX (); use Socket; use threads; use threads::shared; use List::Util qw(sum shuffle); use Storable qw(dclone); use Digest::SHA qw(sha256_hex);
use Encode; use Data::Dumper; use Time::HiRes; use Fcntl; use IO::Handle; use File::Glob; use MIME::Base64; use Sys::Hostname; use DynaLoader;
print POSIX::floor(2.5), " ", POSIX::strftime("%Y", gmtime(0)), " ", sum(1..10), " ", sha256_hex("lode"), " ", encode_base64(encode("UTF-16", "a"));
my $total :shared = 0;
my @threads = map { my $n = $_; threads->create(sub { lock $total; $total += $n; require Hash::Util::FieldHash; return dclone([$n])->[0] }) } 1..8;
print join(",", map { $_->join } @threads), " $total\n";
socketpair(my $a, my $b, AF_UNIX, SOCK_STREAM, PF_UNSPEC) or die;
if (my $child = fork) { close $b; print <$a>; waitpid $child, 0; print $? >> 8, "\n" } else { close $a; print $b "from the child\n"; close $b; POSIX::_exit(7) }
print scalar(grep { $_ } map { eval "require $_" } qw(B Compress::Raw::Zlib Opcode PerlIO::scalar SDBM_File Unicode::Normalize attributes mro re)), "\n";
print `echo child`;
eval { die { code => 3 } }; print $@->{code}, "\n";
'
