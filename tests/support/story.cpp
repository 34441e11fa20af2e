// SPDX-License-Identifier: BSD-2-Clause
#include "support/story.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>

namespace tcpdwell::test {
namespace {

std::string line_text(State from, State to, Bound dwell, Reason reason) {
  std::string text(name_of(from));
  text.append(">").append(name_of(to)).append(" ").append(name_of(dwell));
  if (reason != Reason::None) text.append(" ").append(name_of(reason));
  return text + "\n";
}

/// The dwell that ends with step `i` may be known as a lower bound only, or not at all.
bool may_be_bounded(const Story& story, std::size_t i) {
  return i > 0 && i < story.steps.size() && (story.steps[i].bounded || story.steps[i - 1].bounded);
}

std::string text_of(const std::vector<Transition>& lines, const Story& story) {
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Transition& line = lines[i];
    const Bound told = may_be_bounded(story, i) ? story.steps[i].dwell : line.dwell.bound;
    text += line_text(line.from, line.to, told, line.reason);
  }
  return text;
}

std::string text_of(const Story& story) {
  std::string text;
  for (std::size_t i = 0; i < story.steps.size(); ++i) {
    const Step& step = story.steps[i];
    text += line_text(story.from(i), step.to, step.dwell, step.reason);
  }
  return text;
}

double ms(std::uint64_t ns) { return static_cast<double>(ns) / kMillisecond; }

void expect_times(const Transition& line, const Story& story, std::size_t i) {
  const Step& step = story.steps[i];
  EXPECT_TRUE(step.when.holds(line.mono_ns, step.slack))
      << "at " << line.mono_ns << ", truth " << step.when.before << " to " << step.when.after;
  if (i == 0) return;
  const Span truth = story.dwell(i);
  if (line.dwell.bound == Bound::Unknown) {
    // A bound of nothing: no further below the truth than any other.
    if (step.dwell != Bound::Unknown) {
      EXPECT_LE(truth.shortest, kBoundSlack);
    }
    return;
  }
  if (line.dwell.bound == Bound::AtLeast) {
    EXPECT_LE(line.dwell.ns, truth.longest);
    EXPECT_GE(line.dwell.ns + kBoundSlack, truth.shortest);
    return;
  }
  const std::uint64_t slack = std::max(step.slack, story.steps[i - 1].slack);
  EXPECT_TRUE(truth.holds(line.dwell.ns, slack))
      << ms(line.dwell.ns) << " ms, truth " << ms(truth.shortest) << " to " << ms(truth.longest);
}

void expect_identity(const Transition& line, const Identity& who) {
  const Socket& socket = line.socket;
  if (who.cookie != 0) {
    EXPECT_EQ(socket.id.cookie, who.cookie);
  }
  EXPECT_NE(socket.id.cookie, 0U);
  EXPECT_EQ(socket.id.use, who.use);
  EXPECT_EQ(socket.netns, who.netns);
  EXPECT_EQ(socket.family, who.family);
  EXPECT_EQ(address_text(socket.family, socket.local), address_text(who.family, who.local));
  EXPECT_EQ(address_text(socket.family, socket.remote), address_text(who.family, who.remote));
  // connect() chooses its port after the change to SYN_SENT.
  if (line.to != State::SynSent || socket.local.port != 0) {
    EXPECT_EQ(socket.local.port, who.local.port);
  }
  EXPECT_EQ(socket.remote.port, who.remote.port);
  EXPECT_EQ(socket.owner.pid, who.pid);
  EXPECT_EQ(socket.owner.comm.view(), who.comm);
  EXPECT_EQ(socket.owner.source != OwnerSource::None, who.pid.has_value());
}

Path path_of(const Story& story) {
  Path path;
  for (const Step& step : story.steps) path.push(step.to);
  return path;
}

/// The whole life is known when every state of it is.
bool life_known(const Story& story) {
  return std::all_of(story.steps.begin() + 1, story.steps.end(),
                     [](const Step& step) { return step.dwell == Bound::Exact; });
}

void expect_end(const Transition& line, const Story& story) {
  EXPECT_EQ(line.path.to_string(), path_of(story).to_string());
  EXPECT_EQ(line.traffic.has_value(), story.had_socket() && !line.gap);
  ASSERT_EQ(line.life_ns.has_value(), life_known(story));
  if (!line.life_ns) return;
  const Step& last = story.steps.back();
  const Span life = between(story.steps.front().when, last.when);
  EXPECT_TRUE(life.holds(*line.life_ns, last.slack))
      << "life " << ms(*line.life_ns) << " ms, truth " << ms(life.shortest) << " to "
      << ms(life.longest);
}

}  // namespace

Span Story::dwell(std::size_t step) const {
  return between(steps[step - 1].when, steps[step].when);
}

bool Story::had_socket() const {
  return std::any_of(steps.begin(), steps.end(), [](const Step& step) {
    return step.to != State::SynRecv && step.to != State::Close;
  });
}

void expect_told(const std::vector<Transition>& lines, const Story& story, const Identity& who) {
  const std::string told = text_of(lines, story);
  if (told != text_of(story)) {
    FAIL() << "told:\n" << told << "should be:\n" << text_of(story);
  }
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const Transition& line = lines[i];
    const Step& step = story.steps[i];
    SCOPED_TRACE(line_text(line.from, line.to, line.dwell.bound, line.reason));
    EXPECT_EQ(line.gap, step.gap);
    EXPECT_FALSE(line.dwell.bound == Bound::Exact && line.dwell.ns == 0) << "nothing lasts 0 ns";
    EXPECT_EQ(line.socket.cgroup_id, lines.front().socket.cgroup_id);
    expect_times(line, story, i);
    expect_identity(line, who);
    if (step.to == State::Close) expect_end(line, story);
  }
}

}  // namespace tcpdwell::test
