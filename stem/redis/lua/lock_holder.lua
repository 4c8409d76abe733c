-- lock_holder(skew, name) -> {token, until, owner} or {}
-- uses: locks
return {holder_of(ARGV[2])}
