-- Lists of what did not succeed, by order of arrival: few rows, so that a success pays nothing for them.

CREATE INDEX job_dead_seq ON job (ns, seq) WHERE died_at > 0;
CREATE INDEX result_unsuccessful ON result (ns, seq) WHERE state <> 4;
