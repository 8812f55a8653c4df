-- What wrk asks for: `-- GET` reads a user, another one each time, and `-- POST` stores one. Its last line is JSON.
local users = 1000
local asked = 0
local verb

function init(arguments)
  verb = arguments[1]
end

function request()
  asked = asked + 1
  local email = "user" .. asked % users .. "@example.com"
  if verb == "POST" then
    return wrk.format("POST", "/", nil, '{"email":"' .. email .. '","name":"A user of the benchmark"}')
  end
  return wrk.format("GET", "/" .. email)
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  local line = '{"requests": %d, "seconds": %.6f, "failed": %d, "p50": %.3f, "p99": %.3f}'
  print(line:format(summary.requests, summary.duration / 1e6, failed, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
