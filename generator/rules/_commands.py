"""The commands of Redis 7.0 and their ACL categories, as a server lists them (COMMAND and ACL CAT).

A line for the commands that have the same: the permissions that their keys need (read, write, or any of them;
"channel" for a channel, "-" where neither is needed), their categories, a colon, the commands; an indented line
continues the one before. What is not in the category fast is in slow. SET and BITFIELD need more with some options;
here is what they need at least. tests/rules/test_access.py compares the table with a server.
"""

from __future__ import annotations

TABLE = """\
-: acl acl|cat acl|genpass acl|help acl|whoami client cluster cluster|countkeysinslot cluster|getkeysinslot
  cluster|help cluster|info cluster|keyslot cluster|links cluster|myid cluster|nodes cluster|shards cluster|slots
  config config|help function latency latency|help memory memory|doctor memory|help memory|malloc-stats memory|purge
  memory|stats module module|help object pubsub pubsub|help script slowlog slowlog|help xgroup xinfo
- admin dangerous: acl|deluser acl|dryrun acl|getuser acl|list acl|load acl|log acl|save acl|setuser acl|users
  bgrewriteaof bgsave cluster|addslots cluster|addslotsrange cluster|bumpepoch cluster|count-failure-reports
  cluster|delslots cluster|delslotsrange cluster|failover cluster|flushslots cluster|forget cluster|meet
  cluster|replicas cluster|replicate cluster|reset cluster|saveconfig cluster|set-config-epoch cluster|setslot
  cluster|slaves config|get config|resetstat config|rewrite config|set debug failover latency|doctor latency|graph
  latency|histogram latency|history latency|latest latency|reset module|list module|load module|loadex module|unload
  monitor psync replconf replicaof save shutdown slaveof slowlog|get slowlog|len slowlog|reset sync
- admin dangerous connection: client|kill client|list client|no-evict client|pause client|unblock client|unpause
- admin fast dangerous: lastsave role
- connection: client|caching client|getname client|getredir client|help client|id client|info client|reply
  client|setname client|tracking client|trackinginfo command command|count command|docs command|getkeys
  command|getkeysandflags command|help command|info command|list wait
- dangerous: info
- fast: time
- fast connection: asking auth echo hello ping quit readonly readwrite reset select
- fast transaction: discard multi unwatch
any fast transaction: watch
- hyperloglog admin dangerous: pfselftest
- keyspace: object|help
- keyspace read: randomkey scan
any keyspace read: object|encoding object|freq object|idletime object|refcount
r keyspace read: dump
- keyspace read dangerous: keys
- keyspace read fast: dbsize
any keyspace read fast: exists touch type
r keyspace read fast: expiretime pexpiretime pttl ttl
r,w keyspace write: copy
rw,w keyspace write: rename
w keyspace write: del
- keyspace write dangerous: flushall flushdb
rw keyspace write dangerous: migrate
w keyspace write dangerous: restore restore-asking
rw keyspace write fast: move
rw,w keyspace write fast: renamenx
w keyspace write fast: expire expireat persist pexpire pexpireat unlink
- keyspace write fast dangerous: swapdb
- pubsub: pubsub|channels pubsub|numpat pubsub|numsub pubsub|shardchannels pubsub|shardnumsub punsubscribe unsubscribe
any pubsub: sunsubscribe
channel pubsub: psubscribe ssubscribe subscribe
channel pubsub fast: publish spublish
any read: memory|usage
r read bitmap: bitcount bitpos
r read bitmap fast: bitfield_ro getbit
- read fast: lolwut
r read geo: geodist geohash geopos georadius_ro georadiusbymember_ro geosearch
r read hash: hgetall hkeys hrandfield hscan hvals
any read hash fast: hexists hlen hstrlen
r read hash fast: hget hmget
r read hyperloglog: pfcount
r read list: lindex lpos lrange
any read list fast: llen
r read set: sdiff sinter sintercard smembers srandmember sscan sunion
any read set fast: scard sismember
r read set fast: smismember
r read set sortedset list dangerous: sort_ro
r read sortedset: zdiff zinter zintercard zrandmember zrange zrangebylex zrangebyscore zrevrange zrevrangebylex
  zrevrangebyscore zscan zunion
any read sortedset fast: zcard
r read sortedset fast: zcount zlexcount zmscore zrank zrevrank zscore
r read stream: xinfo|consumers xinfo|groups xinfo|stream xpending xrange xrevrange
r read stream blocking: xread
any read stream fast: xlen
r read string: getrange lcs substr
any read string fast: strlen
r read string fast: get mget
- scripting: eval eval_ro evalsha evalsha_ro fcall fcall_ro function|dump function|help function|kill function|list
  function|stats script|debug script|exists script|flush script|help script|kill script|load
- stream: xgroup|help xinfo|help
- transaction: exec
r write bitmap: bitfield
rw write bitmap: setbit
w,r write bitmap: bitop
r write geo: georadius georadiusbymember
w write geo: geoadd
w,r write geo: geosearchstore
rw write hash fast: hincrby hincrbyfloat
w write hash fast: hdel hmset hset hsetnx
rw,r write hyperloglog: pfmerge
r write hyperloglog admin dangerous: pfdebug
w write hyperloglog fast: pfadd
rw write list: lmpop
rw,w write list: lmove rpoplpush
w write list: linsert lrem lset ltrim
rw write list blocking: blmpop blpop brpop
rw,w write list blocking: blmove brpoplpush
rw write list fast: lpop rpop
w write list fast: lpush lpushx rpush rpushx
- write scripting: function|delete function|flush function|load function|restore
w,r write set: sdiffstore sinterstore sunionstore
rw write set fast: spop
rw,w write set fast: smove
w write set fast: sadd srem
r write set sortedset list dangerous: sort
rw write sortedset: zmpop
w write sortedset: zremrangebylex zremrangebyrank zremrangebyscore
w,r write sortedset: zdiffstore zinterstore zrangestore zunionstore
rw write sortedset blocking: bzmpop
rw write sortedset fast: zincrby zpopmax zpopmin
w write sortedset fast: zadd zrem
rw write sortedset fast blocking: bzpopmax bzpopmin
w write stream: xgroup|create xgroup|createconsumer xgroup|delconsumer xgroup|destroy xgroup|setid xtrim
r write stream blocking: xreadgroup
w write stream fast: xack xadd xautoclaim xclaim xdel xsetid
w write string: mset msetnx psetex set setex setrange
rw write string fast: decr decrby getdel getex getset incr incrby incrbyfloat
w write string fast: append setnx
"""

# New in Redis 7.2, which is also Valkey 7.2 and, for MemoryDB, 7.3; a server of 7.0 does not have them.
LATER = """\
-: cluster|myshardid
- blocking: waitaof
- connection: client|no-touch client|setinfo
"""

# Commands that no access string takes away (the flag NO_AUTH).
ALWAYS = frozenset({"auth", "hello", "quit", "reset"})
# Categories and commands of MemoryDB's modules JSON and search; what they contain is not listed here.
MODULES = ("json", "search")
MODULE_PREFIXES = ("json.", "ft.")
