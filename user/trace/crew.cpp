// SPDX-License-Identifier: BSD-2-Clause
#include "trace/crew.h"

#include <algorithm>
#include <system_error>

namespace tcpdwell {
namespace {

constexpr unsigned kMostThreads = 16;

}  // namespace

Crew::Crew(unsigned threads) : jobs_(2 * std::clamp(threads, 1U, kMostThreads)) {
  for (std::size_t i = 1; i < jobs_.size() / 2; ++i) {
    try {
      threads_.emplace_back([this] { work(); });
    } catch (const std::system_error&) {
      return;  // fewer do it as well
    }
  }
}

Crew::~Crew() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  filled_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

Block* Crew::free_block() {
  // Only this thread moves the two ends.
  return newest_ - oldest_ < jobs_.size() ? &job(newest_).block : nullptr;
}

void Crew::submit() {
  {
    const std::lock_guard lock(mutex_);
    job(newest_++).stage = Stage::Filled;
  }
  filled_.notify_one();
}

const ParsedBlock* Crew::oldest(std::uint64_t& file_offset) {
  if (oldest_ == newest_) return nullptr;
  Job& wanted = job(oldest_);
  std::unique_lock lock(mutex_);
  while (wanted.stage != Stage::Parsed) {
    if (Job* const mine = untaken()) {
      lock.unlock();
      parser_.parse(mine->block, mine->parsed);
      lock.lock();
      mine->stage = Stage::Parsed;
    } else {
      parsed_.wait(lock);
    }
  }
  file_offset = wanted.block.file_offset;
  return &wanted.parsed;
}

void Crew::done() { ++oldest_; }

/// Under the lock.
Crew::Job* Crew::untaken() {
  if (next_taken_ == newest_) return nullptr;
  Job& mine = job(next_taken_++);
  mine.stage = Stage::Taken;
  return &mine;
}

void Crew::work() {
  BlockParser parser;
  std::unique_lock lock(mutex_);
  for (;;) {
    filled_.wait(lock, [this] { return stopping_ || next_taken_ != newest_; });
    if (stopping_) return;
    Job* const mine = untaken();
    lock.unlock();
    parser.parse(mine->block, mine->parsed);
    lock.lock();
    mine->stage = Stage::Parsed;
    parsed_.notify_one();
  }
}

}  // namespace tcpdwell
