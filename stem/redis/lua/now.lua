-- now(skew) -> unix ms
-- uses: base
return now
