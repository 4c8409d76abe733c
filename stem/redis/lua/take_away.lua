-- take_away(skew, token...) -> nothing
-- What was put out has come in where it belongs.
-- when full: goes on
-- uses: base
call('HDEL', P .. 'out', unpack(ARGV, 2))
call('ZREM', P .. 'outz', unpack(ARGV, 2))
