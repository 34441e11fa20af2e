// SPDX-License-Identifier: BSD-2-Clause
/// The files of a recording in several: their names, how they are made and which are removed.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "util/descriptor.h"
#include "util/output.h"
#include "util/result.h"

namespace tcpdwell {

/// "dir/a.json.zst" makes "dir/a-20260102T030405Z-0001.json.zst", which is NAME.part until it is
/// whole. The directory is opened once, and every file reached from there: what becomes of the path
/// to it meanwhile leads nowhere else. A name that is taken is passed over; nothing is overwritten
/// and no link followed.
class Parts {
 public:
  struct Options {
    std::string path;
    mode_t mode = 0;
    std::size_t keep = 0;  ///< whole files that stay, those of earlier recordings too; 0 = all
  };
  /// Fault::Runtime when there is no such directory. `now_wall_ns`: a trace that began before is an
  /// earlier one.
  static Result<std::unique_ptr<Parts>> open(Options options, std::int64_t now_wall_ns);

  /// The next file, named by the time.
  Result<std::unique_ptr<Output>> begin(std::int64_t wall_ns);
  /// What it is called once it is finished.
  std::string last_name() const { return shown(name_); }
  /// Bytes of it on disk.
  std::uint64_t size() const;
  /// It is whole and closed: it gets its name, and the oldest go.
  Status finish();
  /// Files named as ours that `keep` neither counts nor removes, as they are not known to be older.
  const std::vector<std::string>& spared() const { return spared_; }

 private:
  Parts(Options options, Descriptor directory);
  void find_earlier(std::int64_t now_wall_ns);
  bool is_ours(const std::string& name) const;
  bool taken(const std::string& name) const;
  bool rename_new(const std::string& from, const std::string& to) const;
  void next_name();
  void remove_oldest();
  std::string shown(const std::string& name) const { return prefix_ + name; }

  const Options options_;
  const Descriptor directory_;
  std::string prefix_, stem_, suffix_;  ///< "dir/", "a", ".json.zst"
  std::string stamp_, name_;            ///< of the file under way
  std::uint64_t number_ = 0;
  int file_ = -1;                     ///< the Output's that begin() gave
  std::deque<std::string> finished_;  ///< oldest first; where `keep` is set
  std::vector<std::string> spared_;
};

}  // namespace tcpdwell
