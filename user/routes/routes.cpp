// SPDX-License-Identifier: BSD-2-Clause
#include "routes/routes.h"

#include <fmt/format.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <initializer_list>
#include <map>
#include <numeric>
#include <string_view>
#include <utility>
#include <vector>

#include "aggregate/host_activity.h"
#include "model/filter.h"
#include "sinks/listing.h"
#include "sinks/live_json.h"
#include "trace/writer.h"
#include "util/clock.h"
#include "util/duration.h"
#include "util/escape.h"
#include "util/host_clock.h"
#include "util/json.h"
#include "util/number.h"

namespace tcpdwell {
namespace {

constexpr std::uint64_t kSecond = 1'000'000'000;
constexpr std::size_t kPieceBytes = 64U << 10;  ///< and one line
constexpr std::uint64_t kMostRows = 10'000;

std::optional<std::uint64_t> resident_bytes() {
  const std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::fopen("/proc/self/statm", "re"),
                                                             std::fclose);
  unsigned long long all = 0, resident = 0;
  if (!file || std::fscanf(file.get(), "%llu %llu", &all, &resident) != 2) return std::nullopt;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::string random_word() {
  std::array<unsigned char, 16> bytes{};
  if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) return "";
  return fmt::format("{:02x}", fmt::join(bytes, ""));
}

HttpReply refused(int status, std::string why) {
  return {status, "text/plain; charset=utf-8", std::move(why) + "\n", nullptr, ""};
}

HttpReply page() {
  const std::string nonce = random_word();
  if (nonce.empty()) return refused(503, "The kernel gives no random bytes.");
  HttpReply reply{200, "text/html; charset=utf-8", live_page(nonce), nullptr, ""};
  reply.csp = fmt::format(
      "default-src 'none'; style-src 'nonce-{0}'; script-src 'nonce-{0}'; img-src data:; "
      "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
      nonce);
  return reply;
}

/// What a query may restrict.
struct Wanted {
  StateSet states = 0;
  std::uint64_t older_ns = 0, limit = 100;
};

Result<Wanted> read_query(const HttpRequest& request) {
  Wanted wanted;
  for (const auto& [name, value] : request.query) {
    if (name == "state") {
      auto states = parse_states(value);
      if (!states) return states.error();
      wanted.states = *states;
    } else if (name == "older") {
      auto ns = parse_duration_ns(value);
      if (!ns) return ns.error();
      wanted.older_ns = *ns;
    } else if (name == "limit") {
      const auto limit = whole_number<std::uint64_t>(value);
      if (!limit || *limit > kMostRows)
        return Error{Fault::Usage, fmt::format("limit: expected a number up to {}", kMostRows)};
      wanted.limit = *limit;
    } else {
      return Error{Fault::Usage, "expected state, older and limit in the query"};
    }
  }
  return wanted;
}

Listed listed(const Connection& open, std::int64_t wall_offset_ns) {
  Listed one;
  one.seed.wall_ns = open.wall_ns();
  one.seed.mono_ns = static_cast<std::uint64_t>(open.wall_ns() - wall_offset_ns);
  one.seed.socket = open.socket;
  one.seed.state = open.state;
  one.seed.age = open.stays.back().dwell;
  return one;
}

/// As far as a look has told them: of what is in the same state still.
void add_holders(Listed& one, const Survey& survey) {
  if (!survey.waiting) return;
  const std::uint64_t cookie = one.seed.socket.id.cookie;
  const auto found = std::lower_bound(survey.waiting->begin(), survey.waiting->end(), cookie,
                                      [](const Listed& other, std::uint64_t wanted) {
                                        return other.seed.socket.id.cookie < wanted;
                                      });
  if (found != survey.waiting->end() && found->seed.socket.id.cookie == cookie &&
      found->seed.state == one.seed.state)
    one.holders = found->holders;
}

constexpr StateSet bit_set(std::initializer_list<State> states) {
  StateSet set = 0;
  for (const State state : states) set = static_cast<StateSet>(set | bit(state));
  return set;
}

constexpr StateSet kAllStates = static_cast<StateSet>((1U << kStateCount) - 1);
/// TIME_WAIT passes by itself and a listener waits for ever: who asks for them gets them.
constexpr StateSet kMayBeStuck =
    static_cast<StateSet>(kAllStates & ~bit_set({State::Listen, State::TimeWait}));

/// What /api/connections shows of what is open.
constexpr SurveyWish kStuck{kMayBeStuck, 0, HostActivity::kConnections};
/// What the page lists, each in its turn: most hosts have connections that were ESTABLISHED long
/// before anything was stuck, which would fill one list of both.
constexpr SurveyWish kWaiting{static_cast<StateSet>(kMayBeStuck & ~bit_set({State::Established})),
                              0, 25};
constexpr SurveyWish kIdle{bit_set({State::Established}), 0, 15};
constexpr std::uint32_t kTurns = 4, kTurnOfIdle = 1;  ///< nobody need hurry to see who is idle
/// What is kept of a list is no more than this behind.
constexpr std::uint64_t kKeptNs = 60 * kSecond;
/// What `stuck` asks for; of more sockets the oldest.
constexpr SurveyWish kSockets{kAllStates, 0, 65536};

}  // namespace

Routes::Routes(StateExchange& exchange, Header header, std::int64_t start_wall_ns,
               CgroupNames names, std::size_t most_rows)
    : exchange_(exchange),
      header_(std::move(header)),
      start_wall_ns_(start_wall_ns),
      names_(std::move(names)),
      most_rows_(most_rows) {}

std::optional<HttpReply> Routes::answer(const HttpRequest& request) {
  const std::string& path = request.path;
  if (path == "/") return page();
  if (path == "/healthz") return HttpReply{200, "text/plain; charset=utf-8", "ok\n", nullptr, ""};
  if (path == "/favicon.ico") return HttpReply{204, "image/x-icon", "", nullptr, ""};
  constexpr std::array<std::string_view, 7> kOfState = {
      "/metrics",         "/api/states", "/api/findings", "/api/history",
      "/api/connections", "/api/stuck",  "/api/sockets"};
  if (std::find(kOfState.begin(), kOfState.end(), path) == kOfState.end())
    return refused(404,
                   "There are /, /metrics, /healthz, /api/states, /api/stuck, /api/connections, "
                   "/api/findings, /api/history, /api/sockets and /api/events.");
  Result<Wanted> wanted = Wanted{};
  SurveyWish wish;
  if (path == "/api/stuck" || path == "/api/connections") {
    wanted = read_query(request);
    if (!wanted) return refused(400, wanted.error().message);
    wish = kStuck;
  }
  if (path == "/api/stuck")
    wish = {wanted->states != 0 ? wanted->states : kMayBeStuck, wanted->older_ns,
            static_cast<std::size_t>(wanted->limit)};
  if (path == "/api/sockets") wish = kSockets;
  StateExchange::State state = exchange_.get(request.arrived_ns, wish);
  if (!state) return std::nullopt;
  if (path == "/metrics") return metrics(*state, request);
  if (path == "/api/stuck") return stuck(std::move(state));
  if (path == "/api/sockets") return sockets(std::move(state));
  HttpReply reply;
  if (path == "/api/states") reply.body = states_json(*state);
  if (path == "/api/findings") reply.body = findings_json(*state);
  if (path == "/api/history") reply.body = history_json(*state);
  if (path == "/api/connections")
    reply.body = connections_json(*state, static_cast<std::size_t>(wanted->limit),
                                  [this](std::uint64_t id) { return label_of(id); });
  return reply;
}

HttpReply Routes::metrics(const LiveState& state, const HttpRequest& request) {
  const bool open = request.accept.find("application/openmetrics-text") != std::string::npos;
  const auto format = open ? MetricsFormat::OpenMetrics : MetricsFormat::Prometheus;
  const ProcessFigures process{static_cast<std::uint64_t>(clock_ns(CLOCK_PROCESS_CPUTIME_ID)),
                               resident_bytes(),
                               start_wall_ns_,
                               header_.version,
                               header_.kernel,
                               header_.arch,
                               state.minisockets};
  return {200, std::string(content_type_of(format)),
          metrics_text(state, process, format, containers(state.survey), most_rows_), nullptr, ""};
}

/// Several cgroups may be one container's. What is in none is not among them.
std::vector<ContainerRow> Routes::containers(const Survey& survey) {
  const auto add = [](ContainerRow& to, const auto& row) {
    for (std::size_t s = 0; s < kStateCount; ++s) {
      to.sockets[s] += row.sockets[s];
      to.oldest_ns[s] = std::max(to.oldest_ns[s], row.oldest_ns[s]);
    }
  };
  std::map<std::array<std::string, 3>, ContainerRow> named;
  for (const CgroupRow& row : *survey.cgroups) {
    const CgroupRef name = names_.find(row.id);
    if (name->container.empty() && name->pod.empty()) continue;
    ContainerRow fresh;
    fresh.pod_namespace = name->pod_namespace;
    fresh.pod = name->pod_name.empty() ? name->pod : name->pod_name;
    fresh.container =
        name->container_name.empty() ? name->container.substr(0, 12) : name->container_name;
    // As they will be shown: a series may appear once only.
    ContainerRow& to = named
                           .try_emplace({printable(fresh.pod_namespace), printable(fresh.pod),
                                         printable(fresh.container)},
                                        fresh)
                           .first->second;
    add(to, row);
  }
  std::vector<ContainerRow> rows;
  for (auto& [key, row] : named) rows.push_back(std::move(row));
  const auto all = [](const ContainerRow& row) {
    return std::accumulate(row.sockets.begin(), row.sockets.end(), std::uint64_t{0});
  };
  std::stable_sort(rows.begin(), rows.end(),
                   [&](const ContainerRow& a, const ContainerRow& b) { return all(b) < all(a); });
  if (rows.size() <= most_rows_) return rows;
  ContainerRow other;
  other.container = "other";
  const auto end = rows.begin() + static_cast<std::ptrdiff_t>(most_rows_);
  const auto like = std::find_if(rows.begin(), end, [&](const ContainerRow& row) {
    return row.pod.empty() && row.container == other.container;
  });
  for (auto row = end; row != rows.end(); ++row) add(like != end ? *like : other, *row);
  rows.resize(most_rows_);
  if (like == end) rows.push_back(std::move(other));
  return rows;
}

HttpReply Routes::stuck(StateExchange::State state) {
  HttpReply reply;
  JsonText(reply.body)
      .begin_object()
      .field("ts", rfc3339(state->wall_ns))
      .field("matching", state->survey.matching)
      .name("sockets")
      .begin_list();
  reply.more = [this, state = std::move(state), next = std::size_t{0}]() mutable {
    std::string piece;
    const std::vector<Connection>& chosen = state->survey.listed;
    if (next > chosen.size()) return piece;
    for (; next < chosen.size() && piece.size() < kPieceBytes; ++next) {
      Listed one = listed(chosen[next], state->wall_ns - static_cast<std::int64_t>(state->mono_ns));
      one.cgroup = names_.find(one.seed.socket.cgroup_id);
      add_holders(one, state->survey);
      if (next != 0) piece += ',';
      append_json(piece, one);
      piece.pop_back();  // its line feed
    }
    if (next < chosen.size()) return piece;
    ++next;
    return piece + "]}\n";
  };
  return reply;
}

/// As a JSON trace of seeds, whose last line tells that it is whole.
HttpReply Routes::sockets(StateExchange::State state) {
  HttpReply reply;
  reply.type = "application/x-ndjson";
  Header header = header_;
  header.start_wall_ns = state->wall_ns;
  header.minisockets = state->minisockets;
  append_json(reply.body, header);
  reply.more = [state = std::move(state), head = std::move(reply.body),
                next = std::size_t{0}]() mutable {
    std::string piece = std::exchange(head, {});
    const std::vector<Connection>& open = state->survey.listed;
    if (next > open.size()) return piece;
    for (; next < open.size() && piece.size() < kPieceBytes; ++next)
      append_json(
          piece,
          listed(open[next], state->wall_ns - static_cast<std::int64_t>(state->mono_ns)).seed);
    if (next < open.size()) return piece;
    ++next;
    append_json(piece, TraceEnd{state->wall_ns, 0, state->totals.lost, 0, state->survey.matching});
    return piece;
  };
  return reply;
}

std::optional<std::string> Routes::event(std::uint64_t since_ns) {
  const std::uint64_t now = host_clock_ns();
  if (since_ns != 0 && now - since_ns < kSecond * 9 / 10) return std::nullopt;
  // One text for all who look. On a host that is large or busy a survey takes longer than what is
  // asked for may be old: who waits gets what was begun since he asked.
  if (now - told_ns_ < kSecond / 2 && since_ns < told_ns_) return last_event_;
  if (!asked_ns_) asked_ns_ = now - kSecond / 2;
  if (now - told_ns_ > kKeptNs) {
    turn_ = 0;
    waiting_.clear();
    idle_.clear();
  }
  const bool idle = turn_ % kTurns == kTurnOfIdle;
  const StateExchange::State state = exchange_.get(*asked_ns_, idle ? kIdle : kWaiting);
  if (!state) return std::nullopt;
  asked_ns_.reset();
  ++turn_;
  (idle ? idle_ : waiting_) = state->recent.stuck;
  told_ns_ = now;
  if (state->mono_ns != last_made_ns_) {
    std::vector<ConnectionRow> open = waiting_;
    open.insert(open.end(), idle_.begin(), idle_.end());
    last_event_ = live_event(
        *state, open, header_.host, [this](std::uint64_t id) { return label_of(id); },
        containers(state->survey));
  }
  last_made_ns_ = state->mono_ns;
  return last_event_;
}

}  // namespace tcpdwell
