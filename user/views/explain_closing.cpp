// SPDX-License-Identifier: BSD-2-Clause
#include "views/explain_texts.h"

namespace tcpdwell {

Explanation explain_fin_wait1() {
  return {
      .summary = "we closed first; our FIN is not acknowledged yet",
      .meaning =
          "The local application called close() or shutdown(). The FIN goes out behind "
          "everything that is still in the send buffer.",
      .waiting =
          "We wait for the peer's kernel to acknowledge our FIN, and all data before it. "
          "The peer's application matters only if it does not read and so keeps our data waiting.",
      .in = {{State::Established, "the application calls close() or shutdown()"},
             {State::SynRecv, "the same before the handshake was finished"}},
      .out = {{State::FinWait2, "the ACK of our FIN arrives"},
              {State::Closing, "the peer's FIN arrives first: both closed at once"},
              {State::TimeWait, "the peer's FIN arrives together with the ACK of ours"},
              {State::Close, "a reset, or retries in vain (timeout)"}},
      .kernel = "A full socket; after close() an orphan, without descriptor or process.",
      .long_stay =
          "The usual stay is one round trip. Longer: a full send buffer drains slowly, "
          "packets are lost, the peer's host is gone, or the peer keeps its receive "
          "window shut because its application does not read.",
      .advice = {{"net.ipv4.tcp_orphan_retries (0, which means 8)",
                  "retries for an orphan; 8 make about 100 s at a small round-trip time."},
                 {"net.ipv4.tcp_retries2 (15)",
                  "counts instead while the descriptor is open (shutdown() only)."},
                 {"net.ipv4.tcp_max_orphans",
                  "beyond this number orphans are reset; each can hold tens of kilobytes."},
                 {"ss -tno state fin-wait-1",
                  "Send-Q is what still has to go; timer:(persist...) shows a shut window, "
                  "timer:(on...) retransmission."},
                 {"TCP_USER_TIMEOUT", "limits the wait on that socket."}},
      .measured =
          "From close() or shutdown() to the ACK of the FIN, exact. It includes the time "
          "that the data before the FIN needs.",
  };
}

Explanation explain_fin_wait2() {
  return {
      .summary = "we closed, the peer knows; its own FIN is due",
      .meaning =
          "Our direction is closed and acknowledged. The peer may still send. It is the "
          "other end of a CLOSE_WAIT.",
      .waiting = "We wait for the peer's application to close its side.",
      .in = {{State::FinWait1, "the ACK of our FIN arrives"}},
      .out = {{State::TimeWait, "the peer's FIN arrives; we acknowledge it"},
              {State::Close,
               "an orphan's time is up (expired), or a reset: the peer's, or ours if "
               "data arrives for an orphan"}},
      .kernel =
          "A full socket while the descriptor is open (shutdown() only). An orphan moves to "
          "a time-wait socket with substate FIN_WAIT2, which holds no buffers; the state "
          "tracepoint reports that move as a change to CLOSE. With tcp_fin_timeout above 60 s it "
          "spends what is above in the full socket.",
      .long_stay =
          "The peer's application does not close: its host then shows CLOSE_WAIT. With "
          "the descriptor open here there is no limit. An orphan lasts tcp_fin_timeout, rounded up "
          "by the timer: a dwell of that length means that the FIN never came.",
      .advice =
          {{"net.ipv4.tcp_fin_timeout (60 s)",
            "the limit for orphans in this state, and for nothing else: TIME_WAIT has its own "
            "constant. TCP_LINGER2 sets it for one socket."},
           {"tcpdwell explain CLOSE_WAIT", "where to look on the peer's host."},
           {"in the code",
            "after shutdown(SHUT_WR) read until end of file, with a timeout, then "
            "close()."}},
      .measured =
          "From the ACK of our FIN to the peer's, one dwell, although the kernel changes "
          "the socket object in between. Where the time-wait socket cannot be seen "
          "(--minisockets off) only a bound or nothing is known of an orphan. If its end "
          "is read from the timer it is good to a tick of the kernel's clock (1 to 10 ms).",
  };
}

Explanation explain_closing() {
  return {
      .summary = "both closed at once; the ACK of our FIN is due",
      .meaning = "The two FINs crossed on the way: the peer's arrived before the ACK of ours.",
      .waiting =
          "We wait for the peer's kernel to acknowledge our FIN; it is in the same "
          "situation as we are.",
      .in = {{State::FinWait1, "the peer's FIN arrives, which does not acknowledge ours"}},
      .out = {{State::TimeWait, "the ACK of our FIN arrives"},
              {State::Close, "a reset, or retries in vain (timeout)"}},
      .kernel = "A full socket, mostly an orphan already.",
      .long_stay =
          "Rare, and over within a round trip. Longer: the last packets are lost, or "
          "the peer's host is gone.",
      .advice = {{"net.ipv4.tcp_orphan_retries (0, which means 8)",
                  "limits the retries of the FIN for an orphan."},
                 {"in the code",
                  "if it is frequent, both programs close on the same event, such as "
                  "the same idle timeout. Let the client close first: then the "
                  "TIME_WAIT is on its side, and only there."}},
      .measured = "From the peer's FIN to the ACK of ours, exact.",
  };
}

Explanation explain_time_wait() {
  return {
      .summary = "closed; the kernel keeps the addresses taken for 60 s more",
      .meaning =
          "The connection is over for both. The side that closed first remembers it, so "
          "that it can repeat the last ACK, and so that late packets do not fall into a new "
          "connection between the same two addresses and ports.",
      .waiting = "Nobody waits for anybody: a clock runs.",
      .in = {{State::FinWait2, "the peer's FIN arrives"},
             {State::Closing, "the ACK of our FIN arrives"},
             {State::FinWait1, "the peer's FIN and the ACK of ours arrive together"}},
      .out = {{State::Close,
               "the time is up (expired), a new connect() took the place (reused), a "
               "SYN of the peer did (reopened), a reset ended it (reset_by_peer), ss -K did "
               "(aborted), or its network namespace went away (purged)"}},
      .kernel =
          "A time-wait socket: small, without buffers, descriptor or process. The full "
          "socket is gone; the state tracepoint reports no TIME_WAIT at all.",
      .long_stay =
          "About a minute is right and no fault: TCP_TIMEWAIT_LEN, 60 s, is fixed in the kernel's "
          "source. The timer fires late rather than early, by up to some 4 s. More than that: the "
          "peer repeated its FIN, each time the 60 s start again. Thousands cost little memory; "
          "they hurt where one client meets one server port so often that local ports run out "
          "(EADDRNOTAVAIL).",
      .advice =
          {{"keep connections open: pools, HTTP keep-alive", "the cure; no setting comes close."},
           {"net.ipv4.ip_local_port_range (32768 60999)",
            "28,232 ports: divided by 60 s, some 470 new connections a second to one address and "
            "port."},
           {"net.ipv4.tcp_tw_reuse (2)",
            "lets connect() take over a TIME_WAIT that is over a second old, if both sides use TCP "
            "timestamps: 1 everywhere, 2 on loopback only. It does nothing for a server's side."},
           {"net.ipv4.tcp_max_tw_buckets",
            "beyond this number the kernel skips TIME_WAIT (overflow, TcpExtTCPTimeWaitOverflow) "
            "and the protection with it. No tuning knob."},
           {"SO_REUSEADDR", "lets a restarted server bind its port at once."},
           {"not net.ipv4.tcp_fin_timeout, not SO_LINGER 0",
            "the first governs FIN_WAIT2; the second resets the connection and can lose data."}},
      .measured =
          "From the FIN that leads in to the moment the kernel drops the time-wait socket, with "
          "the reason and the number of timer restarts: minutes after the application forgot "
          "it. Unknown with --minisockets off; tcpdwell check says what this kernel allows.",
  };
}

Explanation explain_close_wait() {
  return {
      .summary = "the peer closed; our application has not called close()",
      .meaning =
          "The peer's FIN arrived and was acknowledged. The local application sees end of "
          "file: read() gives 0. It may still send, but mostly should close.",
      .waiting =
          "Everybody waits for the local application. The peer is in FIN_WAIT2, or has given "
          "up already.",
      .in = {{State::Established, "the peer's FIN arrives; we acknowledge it"}},
      .out = {{State::LastAck, "the application calls close() or shutdown(); our FIN is queued"},
              {State::Close, "a reset, a timeout, or close() with unread data, which resets"}},
      .kernel = "A full socket, with a descriptor that some process still holds.",
      .long_stay =
          "A fault of the local program: it does not call close(). It leaks the "
          "descriptor, hangs in other work, or a child process inherited it. Without keepalive no "
          "timer of the kernel ends this state; in the end the process meets EMFILE.",
      .advice =
          {{"tcpdwell stuck --state CLOSE_WAIT", "the oldest first, with their owners."},
           {"ss -tnp state close-wait",
            "Recv-Q 0 or 1: the application has read all data (the FIN can count 1). More: it left "
            "data unread, so it hangs or has lost sight of the socket."},
           {"in the code",
            "close() on every path after read() gave 0 or an error; handle EPOLLRDHUP and "
            "EPOLLHUP; "
            "set SOCK_CLOEXEC; give pooled connections an idle limit, and test them before use."},
           {"SO_KEEPALIVE",
            "helps against the leak: once the peer has forgotten the connection it answers a probe "
            "with a reset."},
           {"restart it, or gdb -p PID and call (int)close(FD)",
            "end it from outside; so does ss -K where the kernel has CONFIG_INET_DIAG_DESTROY."}},
      .measured =
          "From the peer's FIN to our close, exact: the time the application took to react. "
          "Of sockets that were there before, the time since the last packet from the "
          "peer is a lower bound (\">=\").",
  };
}

Explanation explain_last_ack() {
  return {
      .summary = "the peer closed first, then we; the ACK of our FIN is due",
      .meaning =
          "The connection was closed from the other side, and now from ours as well. Our "
          "FIN is out, behind whatever the send buffer still held.",
      .waiting = "We wait for the peer's kernel to acknowledge our FIN.",
      .in = {{State::CloseWait, "the application calls close() or shutdown()"}},
      .out = {{State::Close,
               "the ACK of our FIN arrives; or a reset, or retries in vain "
               "(timeout)"}},
      .kernel = "A full socket, mostly an orphan.",
      .long_stay =
          "The usual stay is one round trip. Longer: the FIN or its ACK is lost, data before "
          "the FIN cannot go, or the peer is gone. After a long CLOSE_WAIT the peer has often "
          "forgotten the connection: it answers with a reset, or a firewall drops the FIN.",
      .advice = {{"net.ipv4.tcp_orphan_retries (0, which means 8)",
                  "retries for an orphan; 8 make about 100 s at a small round-trip time."},
                 {"ss -tno state last-ack", "Send-Q and the timer show what is missing."},
                 {"firewalls and load balancers",
                  "should keep a half-closed connection at least as long as the hosts do."}},
      .measured =
          "From close() to the ACK of the FIN, exact. It is the passive side's last state: "
          "there is no TIME_WAIT on this side.",
  };
}

}  // namespace tcpdwell
