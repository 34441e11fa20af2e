// SPDX-License-Identifier: BSD-2-Clause
#include "util/output.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <string>
#include <thread>
#include <utility>

namespace tcpdwell {
namespace {

/// A pipe whose ends are closed with it.
struct Pipe {
  Pipe() { EXPECT_EQ(::pipe2(fds.data(), O_CLOEXEC), 0); }
  ~Pipe() {
    close_reader();
    close_writer();
  }
  void close_reader() { close_end(0); }
  void close_writer() { close_end(1); }
  void close_end(std::size_t end) {
    if (fds[end] >= 0) ::close(fds[end]);
    fds[end] = -1;
  }
  /// Gives the write end away.
  int take_writer() { return std::exchange(fds[1], -1); }
  std::array<int, 2> fds{-1, -1};
};

std::string read_to_end(int fd) {
  std::string text;
  std::array<char, 4096> chunk;
  for (ssize_t n; (n = ::read(fd, chunk.data(), chunk.size())) > 0;) text.append(chunk.data(), n);
  return text;
}

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

/// Bytes waiting in a pipe.
std::size_t waiting(int fd) {
  std::array<char, 1 << 16> chunk;
  const int flags = ::fcntl(fd, F_GETFL);
  ::fcntl(fd, F_SETFL, flags | O_NONBLOCK);
  const ssize_t n = ::read(fd, chunk.data(), chunk.size());
  ::fcntl(fd, F_SETFL, flags);
  return n < 0 ? 0 : static_cast<std::size_t>(n);
}

std::string numbers(std::size_t bytes) {
  std::string text;
  for (unsigned i = 0; text.size() < bytes; ++i) text += std::to_string(i) + '\n';
  return text;
}

class FdOutputTest : public testing::Test {
 protected:
  void SetUp() override { ::signal(SIGPIPE, SIG_IGN); }
};

TEST_F(FdOutputTest, BuffersUntilFlushed) {
  Pipe pipe;
  FdOutput out(pipe.fds[1], "pipe", false);
  ASSERT_TRUE(out.write("hello ").ok());
  ASSERT_TRUE(out.write("world").ok());
  EXPECT_EQ(waiting(pipe.fds[0]), 0U);
  ASSERT_TRUE(out.flush().ok());
  EXPECT_EQ(waiting(pipe.fds[0]), 11U);
  ASSERT_TRUE(out.flush().ok());
  EXPECT_EQ(waiting(pipe.fds[0]), 0U) << "written twice";
}

TEST_F(FdOutputTest, WritesWhenTheBufferIsFull) {
  Pipe pipe;
  FdOutput out(pipe.fds[1], "pipe", false);
  const std::string half(40'000, 'x');
  ASSERT_TRUE(out.write(half).ok());
  EXPECT_EQ(waiting(pipe.fds[0]), 0U);
  ASSERT_TRUE(out.write(half).ok());
  EXPECT_EQ(waiting(pipe.fds[0]), half.size());
}

TEST_F(FdOutputTest, KeepsTheOrderOfSmallAndLargeWrites) {
  Pipe pipe;
  const std::string large = numbers(300'000);
  std::string received;
  std::thread reader([&] { received = read_to_end(pipe.fds[0]); });
  FdOutput out(pipe.take_writer(), "pipe", true);
  EXPECT_TRUE(out.write("first\n").ok());
  EXPECT_TRUE(out.write(large).ok());
  EXPECT_TRUE(out.write("last\n").ok());
  EXPECT_TRUE(out.close().ok());
  reader.join();
  EXPECT_EQ(received, "first\n" + large + "last\n");
}

TEST_F(FdOutputTest, CompletesShortWritesOfANonBlockingPipe) {
  Pipe pipe;
  ASSERT_EQ(::fcntl(pipe.fds[1], F_SETFL, O_NONBLOCK), 0);
  ASSERT_GE(::fcntl(pipe.fds[1], F_SETPIPE_SZ, 4096), 4096);
  const std::string text = numbers(1'000'000);
  std::string received;
  std::thread reader([&] { received = read_to_end(pipe.fds[0]); });
  FdOutput out(pipe.take_writer(), "pipe", true);
  EXPECT_TRUE(out.write(text).ok());
  EXPECT_TRUE(out.close().ok());
  reader.join();
  EXPECT_EQ(received, text);
}

TEST_F(FdOutputTest, SurvivesSignals) {
  struct sigaction action = {};
  static std::atomic<int> signals = 0;
  action.sa_handler = [](int) { ++signals; };  // without SA_RESTART: write() is interrupted
  struct sigaction before = {};
  ASSERT_EQ(::sigaction(SIGUSR1, &action, &before), 0);

  Pipe pipe;
  const std::string text = numbers(500'000);
  std::string received;
  std::thread reader([&pipe, &received, writer = ::pthread_self()] {
    for (int i = 0; i < 20; ++i) {  // the pipe is full: nobody reads yet
      std::this_thread::sleep_for(std::chrono::milliseconds(2));
      ::pthread_kill(writer, SIGUSR1);
    }
    received = read_to_end(pipe.fds[0]);
  });
  FdOutput out(pipe.take_writer(), "pipe", true);
  EXPECT_TRUE(out.write(text).ok());
  EXPECT_TRUE(out.close().ok());
  reader.join();
  ::sigaction(SIGUSR1, &before, nullptr);
  EXPECT_GT(signals, 0);
  EXPECT_EQ(received, text);
}

TEST_F(FdOutputTest, AClosedPipeIsEpipeForEver) {
  Pipe pipe;
  pipe.close_reader();
  FdOutput out(pipe.take_writer(), "standard output", true);
  ASSERT_TRUE(out.write("x").ok()) << "still in the buffer";
  const Status flushed = out.flush();
  ASSERT_FALSE(flushed.ok());
  EXPECT_EQ(flushed.error().os_errno, EPIPE);
  EXPECT_EQ(flushed.error().fault, Fault::Runtime);
  EXPECT_EQ(flushed.error().message, "cannot write to standard output: Broken pipe");
  for (const Status& later : {out.write("y"), out.flush(), out.close(), out.close()}) {
    ASSERT_FALSE(later.ok());
    EXPECT_EQ(later.error().os_errno, EPIPE);
  }
}

TEST_F(FdOutputTest, AFullDeviceIsSeen) {
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (fd < 0) GTEST_SKIP() << "no /dev/full";
  FdOutput out(fd, "/tmp/x.json", true);
  ASSERT_TRUE(out.write("x").ok());
  const Status closed = out.close();
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().os_errno, ENOSPC);
  EXPECT_EQ(closed.error().message, "cannot write to /tmp/x.json: No space left on device");
  EXPECT_FALSE(is_open(fd)) << "closed in spite of the error";
}

TEST_F(FdOutputTest, ALargeWriteToAFullDeviceFailsAtOnce) {
  const int fd = ::open("/dev/full", O_WRONLY | O_CLOEXEC);
  if (fd < 0) GTEST_SKIP() << "no /dev/full";
  FdOutput out(fd, "full", true);
  const Status written = out.write(std::string(1 << 20, 'x'));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().os_errno, ENOSPC);
}

TEST_F(FdOutputTest, ClosesWhatItOwns) {
  Pipe pipe;
  const int fd = pipe.take_writer();
  FdOutput out(fd, "pipe", true);
  ASSERT_TRUE(out.write("x").ok());
  ASSERT_TRUE(out.close().ok());
  EXPECT_FALSE(is_open(fd));
  EXPECT_EQ(read_to_end(pipe.fds[0]), "x");
  EXPECT_TRUE(out.close().ok()) << "a second close has nothing to do";
  const Status late = out.write("y");
  ASSERT_FALSE(late.ok());
  EXPECT_EQ(late.error().os_errno, EBADF);
}

TEST_F(FdOutputTest, LeavesOpenWhatItDoesNotOwn) {
  Pipe pipe;
  {
    FdOutput out(pipe.fds[1], "pipe", false);
    ASSERT_TRUE(out.write("x").ok());
    ASSERT_TRUE(out.close().ok());
    EXPECT_TRUE(is_open(pipe.fds[1]));
    EXPECT_FALSE(out.write("y").ok());
  }
  EXPECT_TRUE(is_open(pipe.fds[1]));
  pipe.close_writer();
  EXPECT_EQ(read_to_end(pipe.fds[0]), "x");
}

TEST_F(FdOutputTest, TheDestructorFlushes) {
  Pipe pipe;
  {
    FdOutput out(pipe.take_writer(), "pipe", true);
    ASSERT_TRUE(out.write("kept").ok());
  }
  EXPECT_EQ(read_to_end(pipe.fds[0]), "kept");
}

TEST_F(FdOutputTest, ABadDescriptorIsAnErrorOnClose) {
  Pipe pipe;
  const int fd = pipe.take_writer();
  FdOutput out(fd, "gone", true);
  ::close(fd);
  const Status closed = out.close();
  ASSERT_FALSE(closed.ok());
  EXPECT_EQ(closed.error().os_errno, EBADF);
}

TEST(StringOutput, Collects) {
  StringOutput out;
  ASSERT_TRUE(out.write("a").ok());
  ASSERT_TRUE(out.write("b").ok());
  ASSERT_TRUE(out.close().ok());
  EXPECT_EQ(out.text, "ab");
}

}  // namespace
}  // namespace tcpdwell
