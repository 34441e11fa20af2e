// SPDX-License-Identifier: BSD-2-Clause
#include "trace/compress.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <string_view>

#include "unit/trace/events_for_tests.h"

namespace tcpdwell {
namespace {

class Compress : public testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    std::string pattern = testing::TempDir() + "/trace-XXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    directory_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  std::string path() const { return directory_ + "/x.json" + GetParam(); }
  std::string bytes_of_file() const {
    std::ifstream file(path(), std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  /// What `text` is in a file of this kind.
  std::string encoded(std::string_view text) const {
    auto out = create_trace_file(path());
    EXPECT_TRUE(out && (*out)->write(text) && (*out)->close());
    return bytes_of_file();
  }

  std::string directory_;
};

struct Decoded {
  std::string text;
  std::string error;
};

Decoded drain(Input& input, std::size_t at_once = 1000) {
  Decoded all;
  std::string chunk(at_once, '\0');
  for (;;) {
    const Result<std::size_t> got = input.read(chunk.data(), chunk.size());
    if (!got) all.error = got.error().message;
    if (!got || *got == 0) return all;
    all.text.append(chunk, 0, *got);
  }
}

Decoded decode(std::string_view bytes) { return drain(*open_trace_bytes(bytes)); }

/// Text that does not get much smaller and is larger than any buffer on the way.
std::string noise(std::size_t size) {
  std::mt19937_64 random(7);
  std::string text(size, '\0');
  for (char& byte : text) byte = static_cast<char>(random());
  return text;
}

TEST_P(Compress, GivesBackWhatWasWritten) {
  for (const std::string& text : {std::string(), std::string("a"), json_of(sample_events()),
                                  std::string(1 << 20, 'x'), noise(1 << 20)}) {
    encoded(text);
    const auto input = open_trace_file(path());
    ASSERT_TRUE(input);
    const Decoded back = drain(**input);
    EXPECT_TRUE(back.text == text) << text.size();
    EXPECT_EQ(back.error, "");
  }
}

TEST_P(Compress, OneByteAtATime) {
  const std::string bytes = encoded(json_of(sample_events()));
  EXPECT_EQ(drain(*open_trace_bytes(bytes), 1).text, json_of(sample_events()));
}

TEST_P(Compress, HasTheMagicOfItsKindAndIsSmaller) {
  const std::string text = json_of(sample_events()) + json_of(sample_events());
  const std::string bytes = encoded(text);
  if (GetParam() == ".gz") {
    EXPECT_EQ(bytes.substr(0, 2), "\x1f\x8b");
  } else if (GetParam() == ".zst") {
    EXPECT_EQ(bytes.substr(0, 4), "\x28\xb5\x2f\xfd");
  } else {
    EXPECT_EQ(bytes, text);
    return;
  }
  EXPECT_LT(bytes.size(), text.size() / 2);
}

TEST_P(Compress, FlushedIsReadableBeforeClose) {
  auto out = create_trace_file(path());
  ASSERT_TRUE(out);
  const std::string line = json_of(sample_transition());
  std::string text;
  for (int i = 0; i < 3; ++i) {
    text += line;
    ASSERT_TRUE((*out)->write(line) && (*out)->flush());
    EXPECT_EQ(decode(bytes_of_file()).text, text);
  }
  const std::size_t size = bytes_of_file().size();
  ASSERT_TRUE((*out)->flush());
  EXPECT_EQ(bytes_of_file().size(), size) << "an idle trace grows";
  ASSERT_TRUE((*out)->close());
  EXPECT_EQ(decode(bytes_of_file()).text, text);
  EXPECT_EQ(decode(bytes_of_file()).error, "");
}

TEST_P(Compress, FlushedNoiseIsReadableBeforeClose) {
  const std::string text = noise(300000);
  auto out = create_trace_file(path());
  ASSERT_TRUE(out && (*out)->write(text) && (*out)->flush());
  EXPECT_TRUE(decode(bytes_of_file()).text == text);
}

TEST_P(Compress, ConcatenatedFilesReadThrough) {
  const std::string bytes = encoded("one\n");
  const Decoded back = decode(bytes + bytes + bytes);
  EXPECT_EQ(back.text, "one\none\none\n");
  EXPECT_EQ(back.error, "");
}

TEST_P(Compress, CutAtEveryByteKeepsWholeLines) {
  const std::string text = json_of(sample_events());
  const std::string bytes = encoded(text);
  std::size_t most = 0;
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    const Decoded back = decode(std::string_view(bytes).substr(0, size));
    if (GetParam().empty()) {
      EXPECT_EQ(back.error, "");
    } else if (size >= 4) {
      EXPECT_EQ(back.error, "the compressed data is cut off") << size;
      EXPECT_EQ(back.text, text.substr(0, back.text.size())) << size;
    }
    const Played played = play(std::string_view(bytes).substr(0, size));
    if (!played.report) continue;
    EXPECT_GE(played.events.size(), most) << size;
    most = played.events.size();
    EXPECT_EQ(played.report->damage, back.error);
  }
  EXPECT_GE(most, 1U);
}

TEST_P(Compress, FlushedPartOfACutTraceIsUsed) {
  if (GetParam().empty()) return;
  auto out = create_trace_file(path());
  const std::string begin = json_of(sample_header()) + json_of(sample_transition());
  ASSERT_TRUE(out && (*out)->write(begin) && (*out)->flush());
  ASSERT_TRUE((*out)->write(json_of(sample_last())) && (*out)->close());
  const std::string bytes = bytes_of_file();
  const Played played = play(std::string_view(bytes).substr(0, bytes.size() - 20));
  ASSERT_TRUE(played.report);
  EXPECT_GE(played.events.size(), 2U);
  EXPECT_EQ(played.report->damage, "the compressed data is cut off");
  EXPECT_FALSE(played.report->complete);
}

TEST_P(Compress, ChangedBytesNeverCrash) {
  std::mt19937_64 random(3);
  const std::string bytes = encoded(json_of(sample_events()));
  for (int round = 0; round < 3000; ++round) {
    std::string changed = bytes;
    changed[random() % changed.size()] = static_cast<char>(random());
    const Decoded back = decode(changed);
    if (!GetParam().empty() && back.text != json_of(sample_events()) && back.text != changed) {
      EXPECT_NE(back.error, "") << round;
    }
  }
}

TEST_P(Compress, JunkAfterTheDataIsDamage) {
  if (GetParam().empty()) return;
  const Decoded back = decode(encoded("one\n") + "junk, and more of it");
  EXPECT_EQ(back.text, "one\n");
  EXPECT_NE(back.error.find("damaged"), std::string::npos) << back.error;
}

TEST_P(Compress, WrongChecksumIsDamage) {
  if (GetParam().empty()) return;
  std::string bytes = encoded("one\n");
  // A checksum begins 8 bytes before the end of a gzip file, 4 before that of a zstd file.
  bytes[bytes.size() - (GetParam() == ".gz" ? 8 : 4)] ^= 1;
  const Decoded back = decode(bytes);
  EXPECT_NE(back.error.find("damaged"), std::string::npos) << back.error;
  if (GetParam() == ".gz") {
    EXPECT_EQ(back.text, "one\n") << "what came before the damage is used";
  }
}

TEST_P(Compress, FullDeviceIsReportedAtTheLatestByClose) {
  const std::string link = path();
  ASSERT_EQ(symlink("/dev/full", link.c_str()), 0);
  auto out = create_trace_file(link);
  ASSERT_TRUE(out);
  static_cast<void>((*out)->write("line\n"));
  const Status closed = (*out)->close();
  ASSERT_FALSE(closed);
  EXPECT_EQ(closed.error().os_errno, ENOSPC);
  EXPECT_EQ(closed.error().fault, Fault::Runtime);
}

TEST_P(Compress, WriteErrorStays) {
  ASSERT_EQ(symlink("/dev/full", path().c_str()), 0);
  auto out = create_trace_file(path());
  ASSERT_TRUE(out);
  EXPECT_FALSE((*out)->write(noise(1 << 20)));
  EXPECT_FALSE((*out)->write("more"));
  EXPECT_FALSE((*out)->flush());
  EXPECT_FALSE((*out)->close());
}

TEST_P(Compress, ClosedIsClosed) {
  auto out = create_trace_file(path());
  ASSERT_TRUE(out && (*out)->write("one\n") && (*out)->close());
  EXPECT_FALSE((*out)->write("two\n"));
  EXPECT_EQ(decode(bytes_of_file()).text, "one\n");
}

TEST_P(Compress, LeftOpenItIsFinishedAnyway) {
  {
    auto out = create_trace_file(path());
    ASSERT_TRUE(out && (*out)->write("one\n") && (*out)->flush());
  }
  EXPECT_EQ(decode(bytes_of_file()).text, "one\n");
  EXPECT_EQ(decode(bytes_of_file()).error, "");
}

TEST_P(Compress, TruncatesAndIsReadableByItsOwnerAlone) {
  encoded(noise(100000));
  EXPECT_EQ(decode(encoded("one\n")).text, "one\n");
  umask(022);
  std::filesystem::remove(path());
  encoded("one\n");
  struct stat about {};
  ASSERT_EQ(stat(path().c_str(), &about), 0);
  EXPECT_EQ(about.st_mode & 0777U, 0600U);
}

TEST_P(Compress, NotReadBeyondWhatATraceOfItsSizeHolds) {
  constexpr std::size_t kAtOnce = 64U << 20;
  const std::string once = encoded(std::string(kAtOnce, '\n'));
  if (GetParam() != ".zst") return;  // gzip makes 1030 of one at most
  std::string bomb;
  for (int i = 0; i < 16; ++i) bomb += once;  // 1 GiB
  const auto input = open_trace_bytes(bomb);
  std::string chunk(1U << 20, '\0');
  std::uint64_t made = 0;
  for (;;) {
    const auto got = input->read(chunk.data(), chunk.size());
    if (!got) {
      EXPECT_NE(got.error().message.find("expands to more than 1000 times its size"),
                std::string::npos)
          << got.error().message;
      break;
    }
    ASSERT_GT(*got, 0U) << "all of it was read";
    made += *got;
  }
  EXPECT_LE(made, kAtOnce + 1000 * bomb.size() + chunk.size());
}

TEST_P(Compress, CannotCreate) {
  const std::string where = directory_ + "/none/x.json" + GetParam();
  const auto out = create_trace_file(where);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().fault, Fault::Runtime);
  EXPECT_EQ(out.error().os_errno, ENOENT);
  EXPECT_EQ(out.error().message,
            "cannot create " + where + ": there is no directory " + directory_ + "/none/");
}

TEST_P(Compress, MissingFileAndDirectory) {
  const auto missing = open_trace_file(path());
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().fault, Fault::Usage);
  EXPECT_EQ(missing.error().message, "cannot read " + path() + ": No such file or directory");
  const auto directory = open_trace_file(directory_);
  ASSERT_FALSE(directory);
  EXPECT_EQ(directory.error().fault, Fault::Usage);
  EXPECT_EQ(directory.error().message, "cannot read " + directory_ + ": Is a directory");
}

TEST_P(Compress, StandardInput) {
  encoded(json_of(sample_events()));
  const int saved = dup(STDIN_FILENO);
  const int file = open(path().c_str(), O_RDONLY | O_CLOEXEC);
  ASSERT_GE(dup2(file, STDIN_FILENO), 0);
  auto input = open_trace_file("-");
  ASSERT_TRUE(input);
  EXPECT_EQ(drain(**input).text, json_of(sample_events()));
  dup2(saved, STDIN_FILENO);
  close(saved);
  close(file);
}

INSTANTIATE_TEST_SUITE_P(Kinds, Compress, testing::Values("", ".gz", ".zst"), [](const auto& kind) {
  return kind.param.empty() ? "plain" : kind.param.substr(1);
});

/// Connections after each other, alike but for what is random in each.
std::string trace_of(const std::string& lines) {
  Header header = sample_header();
  header.lines = lines;
  std::string text = json_of(header);
  std::mt19937_64 random(3);
  for (int i = 0; i < 5000; ++i) {
    Connection c = sample_connection();
    c.socket.id.cookie += static_cast<std::uint64_t>(i);
    c.socket.local.port = static_cast<std::uint16_t>(random());
    c.stays = {};
    for (const State state : {State::SynSent, State::Established, State::LastAck})
      c.stays.push({state, {Bound::Exact, random() % 100'000}});
    text += json_of(c);
  }
  return text;
}

TEST(CompressWrite, ZstdLooksHarderWhereTheHeaderSaysThatALineIsAConnection) {
  const auto zst = [](std::string_view text) {
    const std::string path = testing::TempDir() + "/harder.json.zst";
    auto out = create_trace_file(path);
    EXPECT_TRUE(out);
    for (std::string_view rest = text; !rest.empty();) {
      const std::string_view line = rest.substr(0, rest.find('\n') + 1);
      EXPECT_TRUE((*out)->write(line));
      rest.remove_prefix(line.size());
    }
    EXPECT_TRUE((*out)->close());
    std::ifstream file(path, std::ios::binary);
    return std::string{std::istreambuf_iterator<char>(file), {}};
  };
  const std::string connections = trace_of("connections"), others = trace_of("transitions");
  const std::string small = zst(connections), large = zst(others);
  EXPECT_EQ(decode(small).text, connections);
  EXPECT_EQ(decode(large).text, others);
  EXPECT_LT(small.size() * 10, large.size() * 9);
}

TEST(CompressRead, EmptyAndShortInputs) {
  for (const char* bytes : {"", "a", "\x1f", "\x28\xb5\x2f"}) {
    EXPECT_EQ(decode(bytes).text, bytes);
    EXPECT_EQ(decode(bytes).error, "");
  }
  EXPECT_EQ(decode("\x1f\x8b").error, "the compressed data is cut off");
  EXPECT_EQ(decode("\x28\xb5\x2f\xfd").error, "the compressed data is cut off");
}

TEST(CompressWrite, DashIsStandardOutputPlain) {
  testing::internal::CaptureStdout();
  {
    auto out = create_trace_file("-");
    ASSERT_TRUE(out && (*out)->write("one\n") && (*out)->close());
  }
  EXPECT_EQ(testing::internal::GetCapturedStdout(), "one\n");
  EXPECT_GE(fcntl(STDOUT_FILENO, F_GETFD), 0) << "standard output was closed";
}

}  // namespace
}  // namespace tcpdwell
