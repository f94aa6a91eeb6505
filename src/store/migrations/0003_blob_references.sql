-- The collector asks of every blob whether a request names it.
CREATE INDEX requests_plan ON requests(plan);
CREATE INDEX requests_output ON requests(output);
