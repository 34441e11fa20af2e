// SPDX-License-Identifier: BSD-2-Clause
/// Several threads parse blocks, which come back in the order they were handed over.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <memory>
#include <mutex>
#include <thread>
#include <vector>

#include "trace/blocks.h"

namespace tcpdwell {

/// Used by one thread, which parses too where it would otherwise wait: a crew of one has no other.
class Crew {
 public:
  explicit Crew(unsigned threads);
  ~Crew();
  Crew(const Crew&) = delete;
  Crew& operator=(const Crew&) = delete;

  /// A block to fill and hand over with submit(); nullptr while as many are under way as may be.
  Block* free_block();
  void submit();
  /// The events of the block handed over first; nullptr if none is under way. Valid until done().
  const ParsedBlock* oldest(std::uint64_t& file_offset);
  void done();

 private:
  enum class Stage { Filled, Taken, Parsed };
  struct Job {
    Block block;
    ParsedBlock parsed;
    Stage stage = Stage::Filled;
  };
  void work();
  Job* untaken();
  Job& job(std::size_t number) { return jobs_[number % jobs_.size()]; }

  std::vector<Job> jobs_;  ///< a ring
  std::size_t oldest_ = 0, next_taken_ = 0,
              newest_ = 0;  ///< numbers of jobs, counted from the start
  bool stopping_ = false;
  std::mutex mutex_;
  std::condition_variable filled_, parsed_;
  std::vector<std::thread> threads_;
  BlockParser parser_;
};

}  // namespace tcpdwell
