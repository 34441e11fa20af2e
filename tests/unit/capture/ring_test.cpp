// SPDX-License-Identifier: BSD-2-Clause
#include "capture/ring.h"

#include <gtest/gtest.h>
#include <linux/bpf.h>

#include <array>
#include <cstring>
#include <string>

namespace tcpdwell {
namespace {

/// A ring as the kernel would have written it.
class KernelSide {
 public:
  explicit KernelSide(unsigned long begin) : consumer(begin), producer(begin) {}
  RingMemory memory() { return {&consumer, &producer, bytes.data(), bytes.size()}; }

  void write(const std::string& record, std::uint32_t flags = 0) {
    put(static_cast<std::uint32_t>(record.size()) | flags, producer);
    for (std::size_t i = 0; i < record.size(); ++i)
      at(producer + BPF_RINGBUF_HDR_SZ + i) = std::byte(record[i]);
    producer += (BPF_RINGBUF_HDR_SZ + record.size() + 7) / 8 * 8;
  }
  void put(std::uint32_t length, unsigned long position) {
    std::memcpy(&at(position), &length, sizeof length);
  }

  unsigned long consumer, producer;

 private:
  std::byte& at(unsigned long position) { return bytes[position % bytes.size()]; }
  alignas(8) std::array<std::byte, 128> bytes{};
};

struct Reading {
  bool emptied;
  std::vector<std::string> records;
};

Reading read(KernelSide& kernel, std::size_t most = 100) {
  Reading reading;
  std::vector<std::byte> room;
  reading.emptied = read_ring(kernel.memory(), room, [&](const void* record, std::size_t size) {
    reading.records.emplace_back(static_cast<const char*>(record), size);
    return reading.records.size() < most;
  });
  return reading;
}

TEST(Ring, AnEmptyOneIsEmpty) {
  KernelSide kernel(0);
  const Reading reading = read(kernel);
  EXPECT_TRUE(reading.emptied);
  EXPECT_TRUE(reading.records.empty());
}

TEST(Ring, RecordsComeInOrderAndTheirRoomIsGivenBack) {
  KernelSide kernel(0);
  kernel.write("first");
  kernel.write("the second one");
  EXPECT_EQ(read(kernel).records, (std::vector<std::string>{"first", "the second one"}));
  EXPECT_EQ(kernel.consumer, kernel.producer);
}

TEST(Ring, ARecordThatWrapsIsWhole) {
  for (unsigned long begin = 128 * 7; begin < 128 * 8; begin += 8) {
    KernelSide kernel(begin);
    kernel.write("0123456789abcdefghijklmnopqrstuvwxyz");
    kernel.write("after it");
    EXPECT_EQ(read(kernel).records,
              (std::vector<std::string>{"0123456789abcdefghijklmnopqrstuvwxyz", "after it"}))
        << begin;
  }
}

TEST(Ring, OneThatIsNotCommittedStopsIt) {
  KernelSide kernel(0);
  kernel.write("done");
  const unsigned long busy = kernel.producer;
  kernel.write("not yet", BPF_RINGBUF_BUSY_BIT);
  kernel.write("behind it");
  EXPECT_EQ(read(kernel).records, std::vector<std::string>{"done"});
  EXPECT_EQ(kernel.consumer, busy);
  kernel.put(7, busy);
  EXPECT_EQ(read(kernel).records, (std::vector<std::string>{"not yet", "behind it"}));
}

TEST(Ring, OneThatIsDiscardedIsPassedOver) {
  KernelSide kernel(0);
  kernel.write("dropped", BPF_RINGBUF_DISCARD_BIT);
  kernel.write("kept");
  EXPECT_EQ(read(kernel).records, std::vector<std::string>{"kept"});
}

TEST(Ring, WhoStopsHasTakenTheRecord) {
  KernelSide kernel(0);
  for (const char* record : {"1", "2", "3"}) kernel.write(record);
  const Reading reading = read(kernel, 2);
  EXPECT_FALSE(reading.emptied);
  EXPECT_EQ(reading.records, (std::vector<std::string>{"1", "2"}));
  EXPECT_EQ(read(kernel).records, std::vector<std::string>{"3"});
}

}  // namespace
}  // namespace tcpdwell
