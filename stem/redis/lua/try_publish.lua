-- try_publish(skew) -> nothing
-- A write as new work makes it, of a key that is gone at once: refused by a server that is full.
-- uses: base
call('SET', P .. 'try', '1', 'PX', 1)
