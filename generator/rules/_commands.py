"""The commands of Redis 7.0 and their ACL categories, as a server lists them (COMMAND and ACL CAT).

A line each: the command, the permissions that its keys need (read, write, or any of them; "channel" for a channel, "-"
where neither is needed), its categories. SET and BITFIELD need more with some options; here is what they need at least.
tests/rules/test_access.py compares the table with a server.
"""

from __future__ import annotations

TABLE = """\
acl - slow
acl|cat - slow
acl|deluser - admin slow dangerous
acl|dryrun - admin slow dangerous
acl|genpass - slow
acl|getuser - admin slow dangerous
acl|help - slow
acl|list - admin slow dangerous
acl|load - admin slow dangerous
acl|log - admin slow dangerous
acl|save - admin slow dangerous
acl|setuser - admin slow dangerous
acl|users - admin slow dangerous
acl|whoami - slow
append w write string fast
asking - fast connection
auth - fast connection
bgrewriteaof - admin slow dangerous
bgsave - admin slow dangerous
bitcount r read bitmap slow
bitfield r write bitmap slow
bitfield_ro r read bitmap fast
bitop w,r write bitmap slow
bitpos r read bitmap slow
blmove rw,w write list slow blocking
blmpop rw write list slow blocking
blpop rw write list slow blocking
brpop rw write list slow blocking
brpoplpush rw,w write list slow blocking
bzmpop rw write sortedset slow blocking
bzpopmax rw write sortedset fast blocking
bzpopmin rw write sortedset fast blocking
client - slow
client|caching - slow connection
client|getname - slow connection
client|getredir - slow connection
client|help - slow connection
client|id - slow connection
client|info - slow connection
client|kill - admin slow dangerous connection
client|list - admin slow dangerous connection
client|no-evict - admin slow dangerous connection
client|pause - admin slow dangerous connection
client|reply - slow connection
client|setname - slow connection
client|tracking - slow connection
client|trackinginfo - slow connection
client|unblock - admin slow dangerous connection
client|unpause - admin slow dangerous connection
cluster - slow
cluster|addslots - admin slow dangerous
cluster|addslotsrange - admin slow dangerous
cluster|bumpepoch - admin slow dangerous
cluster|count-failure-reports - admin slow dangerous
cluster|countkeysinslot - slow
cluster|delslots - admin slow dangerous
cluster|delslotsrange - admin slow dangerous
cluster|failover - admin slow dangerous
cluster|flushslots - admin slow dangerous
cluster|forget - admin slow dangerous
cluster|getkeysinslot - slow
cluster|help - slow
cluster|info - slow
cluster|keyslot - slow
cluster|links - slow
cluster|meet - admin slow dangerous
cluster|myid - slow
cluster|nodes - slow
cluster|replicas - admin slow dangerous
cluster|replicate - admin slow dangerous
cluster|reset - admin slow dangerous
cluster|saveconfig - admin slow dangerous
cluster|set-config-epoch - admin slow dangerous
cluster|setslot - admin slow dangerous
cluster|shards - slow
cluster|slaves - admin slow dangerous
cluster|slots - slow
command - slow connection
command|count - slow connection
command|docs - slow connection
command|getkeys - slow connection
command|getkeysandflags - slow connection
command|help - slow connection
command|info - slow connection
command|list - slow connection
config - slow
config|get - admin slow dangerous
config|help - slow
config|resetstat - admin slow dangerous
config|rewrite - admin slow dangerous
config|set - admin slow dangerous
copy r,w keyspace write slow
dbsize - keyspace read fast
debug - admin slow dangerous
decr rw write string fast
decrby rw write string fast
del w keyspace write slow
discard - fast transaction
dump r keyspace read slow
echo - fast connection
eval - slow scripting
eval_ro - slow scripting
evalsha - slow scripting
evalsha_ro - slow scripting
exec - slow transaction
exists any keyspace read fast
expire w keyspace write fast
expireat w keyspace write fast
expiretime r keyspace read fast
failover - admin slow dangerous
fcall - slow scripting
fcall_ro - slow scripting
flushall - keyspace write slow dangerous
flushdb - keyspace write slow dangerous
function - slow
function|delete - write slow scripting
function|dump - slow scripting
function|flush - write slow scripting
function|help - slow scripting
function|kill - slow scripting
function|list - slow scripting
function|load - write slow scripting
function|restore - write slow scripting
function|stats - slow scripting
geoadd w write geo slow
geodist r read geo slow
geohash r read geo slow
geopos r read geo slow
georadius r write geo slow
georadius_ro r read geo slow
georadiusbymember r write geo slow
georadiusbymember_ro r read geo slow
geosearch r read geo slow
geosearchstore w,r write geo slow
get r read string fast
getbit r read bitmap fast
getdel rw write string fast
getex rw write string fast
getrange r read string slow
getset rw write string fast
hdel w write hash fast
hello - fast connection
hexists any read hash fast
hget r read hash fast
hgetall r read hash slow
hincrby rw write hash fast
hincrbyfloat rw write hash fast
hkeys r read hash slow
hlen any read hash fast
hmget r read hash fast
hmset w write hash fast
hrandfield r read hash slow
hscan r read hash slow
hset w write hash fast
hsetnx w write hash fast
hstrlen any read hash fast
hvals r read hash slow
incr rw write string fast
incrby rw write string fast
incrbyfloat rw write string fast
info - slow dangerous
keys - keyspace read slow dangerous
lastsave - admin fast dangerous
latency - slow
latency|doctor - admin slow dangerous
latency|graph - admin slow dangerous
latency|help - slow
latency|histogram - admin slow dangerous
latency|history - admin slow dangerous
latency|latest - admin slow dangerous
latency|reset - admin slow dangerous
lcs r read string slow
lindex r read list slow
linsert w write list slow
llen any read list fast
lmove rw,w write list slow
lmpop rw write list slow
lolwut - read fast
lpop rw write list fast
lpos r read list slow
lpush w write list fast
lpushx w write list fast
lrange r read list slow
lrem w write list slow
lset w write list slow
ltrim w write list slow
memory - slow
memory|doctor - slow
memory|help - slow
memory|malloc-stats - slow
memory|purge - slow
memory|stats - slow
memory|usage any read slow
mget r read string fast
migrate rw keyspace write slow dangerous
module - slow
module|help - slow
module|list - admin slow dangerous
module|load - admin slow dangerous
module|loadex - admin slow dangerous
module|unload - admin slow dangerous
monitor - admin slow dangerous
move rw keyspace write fast
mset w write string slow
msetnx w write string slow
multi - fast transaction
object - slow
object|encoding any keyspace read slow
object|freq any keyspace read slow
object|help - keyspace slow
object|idletime any keyspace read slow
object|refcount any keyspace read slow
persist w keyspace write fast
pexpire w keyspace write fast
pexpireat w keyspace write fast
pexpiretime r keyspace read fast
pfadd w write hyperloglog fast
pfcount r read hyperloglog slow
pfdebug r write hyperloglog admin slow dangerous
pfmerge rw,r write hyperloglog slow
pfselftest - hyperloglog admin slow dangerous
ping - fast connection
psetex w write string slow
psubscribe channel pubsub slow
psync - admin slow dangerous
pttl r keyspace read fast
publish channel pubsub fast
pubsub - slow
pubsub|channels - pubsub slow
pubsub|help - slow
pubsub|numpat - pubsub slow
pubsub|numsub - pubsub slow
pubsub|shardchannels - pubsub slow
pubsub|shardnumsub - pubsub slow
punsubscribe - pubsub slow
quit - fast connection
randomkey - keyspace read slow
readonly - fast connection
readwrite - fast connection
rename rw,w keyspace write slow
renamenx rw,w keyspace write fast
replconf - admin slow dangerous
replicaof - admin slow dangerous
reset - fast connection
restore w keyspace write slow dangerous
restore-asking w keyspace write slow dangerous
role - admin fast dangerous
rpop rw write list fast
rpoplpush rw,w write list slow
rpush w write list fast
rpushx w write list fast
sadd w write set fast
save - admin slow dangerous
scan - keyspace read slow
scard any read set fast
script - slow
script|debug - slow scripting
script|exists - slow scripting
script|flush - slow scripting
script|help - slow scripting
script|kill - slow scripting
script|load - slow scripting
sdiff r read set slow
sdiffstore w,r write set slow
select - fast connection
set w write string slow
setbit rw write bitmap slow
setex w write string slow
setnx w write string fast
setrange w write string slow
shutdown - admin slow dangerous
sinter r read set slow
sintercard r read set slow
sinterstore w,r write set slow
sismember any read set fast
slaveof - admin slow dangerous
slowlog - slow
slowlog|get - admin slow dangerous
slowlog|help - slow
slowlog|len - admin slow dangerous
slowlog|reset - admin slow dangerous
smembers r read set slow
smismember r read set fast
smove rw,w write set fast
sort r write set sortedset list slow dangerous
sort_ro r read set sortedset list slow dangerous
spop rw write set fast
spublish channel pubsub fast
srandmember r read set slow
srem w write set fast
sscan r read set slow
ssubscribe channel pubsub slow
strlen any read string fast
subscribe channel pubsub slow
substr r read string slow
sunion r read set slow
sunionstore w,r write set slow
sunsubscribe any pubsub slow
swapdb - keyspace write fast dangerous
sync - admin slow dangerous
time - fast
touch any keyspace read fast
ttl r keyspace read fast
type any keyspace read fast
unlink w keyspace write fast
unsubscribe - pubsub slow
unwatch - fast transaction
wait - slow connection
watch any fast transaction
xack w write stream fast
xadd w write stream fast
xautoclaim w write stream fast
xclaim w write stream fast
xdel w write stream fast
xgroup - slow
xgroup|create w write stream slow
xgroup|createconsumer w write stream slow
xgroup|delconsumer w write stream slow
xgroup|destroy w write stream slow
xgroup|help - stream slow
xgroup|setid w write stream slow
xinfo - slow
xinfo|consumers r read stream slow
xinfo|groups r read stream slow
xinfo|help - stream slow
xinfo|stream r read stream slow
xlen any read stream fast
xpending r read stream slow
xrange r read stream slow
xread r read stream slow blocking
xreadgroup r write stream slow blocking
xrevrange r read stream slow
xsetid w write stream fast
xtrim w write stream slow
zadd w write sortedset fast
zcard any read sortedset fast
zcount r read sortedset fast
zdiff r read sortedset slow
zdiffstore w,r write sortedset slow
zincrby rw write sortedset fast
zinter r read sortedset slow
zintercard r read sortedset slow
zinterstore w,r write sortedset slow
zlexcount r read sortedset fast
zmpop rw write sortedset slow
zmscore r read sortedset fast
zpopmax rw write sortedset fast
zpopmin rw write sortedset fast
zrandmember r read sortedset slow
zrange r read sortedset slow
zrangebylex r read sortedset slow
zrangebyscore r read sortedset slow
zrangestore w,r write sortedset slow
zrank r read sortedset fast
zrem w write sortedset fast
zremrangebylex w write sortedset slow
zremrangebyrank w write sortedset slow
zremrangebyscore w write sortedset slow
zrevrange r read sortedset slow
zrevrangebylex r read sortedset slow
zrevrangebyscore r read sortedset slow
zrevrank r read sortedset fast
zscan r read sortedset slow
zscore r read sortedset fast
zunion r read sortedset slow
zunionstore w,r write sortedset slow
"""

# New in Redis 7.2, which is also Valkey 7.2 and, for MemoryDB, 7.3; a server of 7.0 does not have them.
LATER = """\
client|no-touch - slow connection
client|setinfo - slow connection
cluster|myshardid - slow
waitaof - slow blocking
"""

# Commands that no access string takes away (the flag NO_AUTH).
ALWAYS = frozenset({"auth", "hello", "quit", "reset"})
# Categories and commands of MemoryDB's modules JSON and search; what they contain is not listed here.
MODULES = ("json", "search")
MODULE_PREFIXES = ("json.", "ft.")
