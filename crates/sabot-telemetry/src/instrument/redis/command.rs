//! What commands do, and which of their arguments are keys.

use crate::text::Text;

/// Longest name of a command that is not known here.
const MAX_NAME_BYTES: usize = 32;

/// What a command does with what it names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Category {
    Read,
    Write,
    Delete,
    Scan,
    Other,
}

/// Which arguments are keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keys {
    None,
    First,
    FirstTwo,
    All,
    /// Every other one: keys and values take turns.
    Pairs,
}

/// A command by its name.
#[derive(Clone, Debug)]
pub(super) struct Command {
    pub(super) name: Text,
    pub(super) category: Category,
    pub(super) keys: Keys,
}

/// Commands that do the same to keys in the same place.
struct Family(Category, Keys, &'static [&'static str]);

const FAMILIES: &[Family] = &[
    Family(
        Category::Read,
        Keys::First,
        &[
            "GET",
            "HGET",
            "HGETALL",
            "HMGET",
            "TTL",
            "PTTL",
            "TYPE",
            "STRLEN",
            "GETRANGE",
            "GETBIT",
            "BITCOUNT",
            "BITPOS",
            "HEXISTS",
            "HKEYS",
            "HVALS",
            "HLEN",
            "HSTRLEN",
            "HRANDFIELD",
            "LRANGE",
            "LLEN",
            "LINDEX",
            "LPOS",
            "SMEMBERS",
            "SCARD",
            "SISMEMBER",
            "SMISMEMBER",
            "SRANDMEMBER",
            "ZRANGE",
            "ZRANGEBYSCORE",
            "ZRANGEBYLEX",
            "ZREVRANGE",
            "ZREVRANGEBYSCORE",
            "ZSCORE",
            "ZMSCORE",
            "ZCARD",
            "ZCOUNT",
            "ZLEXCOUNT",
            "ZRANK",
            "ZREVRANK",
            "ZRANDMEMBER",
            "XRANGE",
            "XREVRANGE",
            "XLEN",
            "XPENDING",
            "GEOPOS",
            "GEODIST",
            "GEOSEARCH",
            "GEOHASH",
            "DUMP",
            "EXPIRETIME",
            "PEXPIRETIME",
            "SUBSTR",
            "HTTL",
            "HPTTL",
            "HEXPIRETIME",
            "SORT_RO",
            "BITFIELD_RO",
            "GEORADIUS_RO",
            "GEORADIUSBYMEMBER_RO",
        ],
    ),
    Family(Category::Read, Keys::All, &["MGET", "EXISTS", "TOUCH", "SINTER", "SUNION", "SDIFF", "PFCOUNT", "WATCH"]),
    Family(
        Category::Write,
        Keys::First,
        &[
            "SET",
            "SETEX",
            "PSETEX",
            "SETNX",
            "GETSET",
            "GETEX",
            "APPEND",
            "SETRANGE",
            "SETBIT",
            "BITFIELD",
            "INCR",
            "INCRBY",
            "INCRBYFLOAT",
            "DECR",
            "DECRBY",
            "EXPIRE",
            "PEXPIRE",
            "EXPIREAT",
            "PEXPIREAT",
            "PERSIST",
            "HSET",
            "HMSET",
            "HSETNX",
            "HINCRBY",
            "HINCRBYFLOAT",
            "HEXPIRE",
            "LPUSH",
            "RPUSH",
            "LPUSHX",
            "RPUSHX",
            "LPOP",
            "RPOP",
            "LSET",
            "LINSERT",
            "LTRIM",
            "SADD",
            "SPOP",
            "ZADD",
            "ZINCRBY",
            "ZPOPMIN",
            "ZPOPMAX",
            "XADD",
            "XTRIM",
            "XACK",
            "XCLAIM",
            "XAUTOCLAIM",
            "PFADD",
            "GEOADD",
            "RESTORE",
            "SORT",
            "HEXPIREAT",
            "HPEXPIRE",
            "HPERSIST",
            "HSETEX",
            "HGETEX",
            "BLPOP",
            "BRPOP",
            "BZPOPMIN",
            "BZPOPMAX",
            "GEORADIUS",
            "GEORADIUSBYMEMBER",
        ],
    ),
    Family(
        Category::Write,
        Keys::FirstTwo,
        &[
            "RENAME",
            "RENAMENX",
            "COPY",
            "SMOVE",
            "LMOVE",
            "BLMOVE",
            "RPOPLPUSH",
            "BRPOPLPUSH",
            "ZRANGESTORE",
            "GEOSEARCHSTORE",
        ],
    ),
    Family(Category::Read, Keys::FirstTwo, &["LCS"]),
    Family(Category::Read, Keys::None, &["XREAD", "ZUNION", "ZINTER", "ZDIFF", "SINTERCARD", "ZINTERCARD"]),
    Family(Category::Write, Keys::None, &["XREADGROUP", "XGROUP", "BITOP", "ZUNIONSTORE", "ZINTERSTORE", "ZDIFFSTORE"]),
    Family(Category::Write, Keys::None, &["LMPOP", "BLMPOP", "ZMPOP", "BZMPOP", "PUBLISH", "SPUBLISH", "MIGRATE"]),
    Family(Category::Write, Keys::All, &["SINTERSTORE", "SUNIONSTORE", "SDIFFSTORE", "PFMERGE"]),
    Family(Category::Write, Keys::Pairs, &["MSET", "MSETNX"]),
    Family(
        Category::Delete,
        Keys::First,
        &[
            "GETDEL",
            "HDEL",
            "HGETDEL",
            "LREM",
            "SREM",
            "ZREM",
            "ZREMRANGEBYRANK",
            "ZREMRANGEBYSCORE",
            "ZREMRANGEBYLEX",
            "XDEL",
        ],
    ),
    Family(Category::Delete, Keys::All, &["DEL", "UNLINK"]),
    Family(Category::Delete, Keys::None, &["FLUSHDB", "FLUSHALL"]),
    Family(Category::Scan, Keys::First, &["HSCAN", "SSCAN", "ZSCAN"]),
    Family(Category::Scan, Keys::None, &["SCAN", "KEYS", "RANDOMKEY"]),
];

impl Category {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Write => "write",
            Self::Delete => "delete",
            Self::Scan => "scan",
            Self::Other => "other",
        }
    }
}

impl Command {
    pub(super) fn named(name: &[u8]) -> Self {
        let is_name = |known: &&str| known.as_bytes().eq_ignore_ascii_case(name);
        let known = FAMILIES.iter().find_map(|Family(category, keys, names)| {
            let name = Text::Static(names.iter().copied().find(is_name)?);
            Some(Self { name, category: *category, keys: *keys })
        });
        known.unwrap_or_else(|| Self { name: unknown(name), category: Category::Other, keys: Keys::None })
    }
}

/// A name as it is sent, if it reads like one.
fn unknown(name: &[u8]) -> Text {
    let reads_like_name = name.len() <= MAX_NAME_BYTES
        && name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'.' | b'_'));
    match std::str::from_utf8(name) {
        Ok(name) if reads_like_name => Text::Owned(name.to_ascii_uppercase()),
        _ => Text::Static("_OTHER"),
    }
}

impl Keys {
    /// The keys among the arguments after the name.
    pub(super) fn among<'a>(self, arguments: impl Iterator<Item = &'a [u8]>) -> impl Iterator<Item = &'a [u8]> {
        let (most, step) = match self {
            Self::None => (0, 1),
            Self::First => (1, 1),
            Self::FirstTwo => (2, 1),
            Self::All => (usize::MAX, 1),
            Self::Pairs => (usize::MAX, 2),
        };
        arguments.step_by(step).take(most)
    }
}
