-- channel_position(skew, channel, listener) -> position
-- Where the listener stopped, else behind the newest message of all channels.
-- uses: base
return call('HGET', P .. 'cp:' .. ARGV[2], ARGV[3]) or call('GET', P .. 'fence') or '0'
