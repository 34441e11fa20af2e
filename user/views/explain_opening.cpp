// SPDX-License-Identifier: BSD-2-Clause
#include "views/explain_texts.h"

namespace tcpdwell {

Explanation explain_listen() {
  return {
      .summary = "a server's socket that takes new connections",
      .meaning =
          "A process called listen() on the socket. It never carries data itself: each "
          "connection made through it gets a socket of its own.",
      .waiting =
          "The kernel waits for SYNs from anywhere. Finished handshakes wait in its accept "
          "queue for the application to call accept().",
      .in = {{State::Close, "the application calls listen()"}},
      .out = {{State::Close, "the application closes the socket or ends"},
              {State::SynRecv,
               "a SYN arrives: a new connection begins; the listener itself "
               "stays in LISTEN"}},
      .kernel = "A full socket, in the listening hash table.",
      .long_stay =
          "Nothing bad: it lasts as long as the service runs. A short one belongs to a "
          "service that restarts.",
      .advice = {{"ss -ltn",
                  "Recv-Q is the accept queue now, Send-Q its limit. A queue that stays "
                  "full means that the application calls accept() too seldom."},
                 {"nstat -az TcpExtListenOverflows TcpExtListenDrops",
                  "count what a full accept queue turned away."},
                 {"net.core.somaxconn (4096)",
                  "caps the backlog that the application asks for in listen(); the application "
                  "must ask for more as well, and reads the new cap at its next listen()."}},
      .measured =
          "From listen() to the close, exact if both happened while tcpdwell watched. A "
          "line LISTEN -> SYN_RECV begins a connection and ends no dwell: its dwell is "
          "\"-\".",
  };
}

Explanation explain_syn_sent() {
  return {
      .summary = "connect() sent a SYN; the peer has not answered yet",
      .meaning =
          "The local application asked for a connection. The SYN is out, and is sent again "
          "until an answer comes or the kernel gives up.",
      .waiting = "We wait for the peer's SYN+ACK. A blocking connect() waits with us.",
      .in = {{State::Close, "the application calls connect(); the SYN is sent"}},
      .out = {{State::Established, "the peer's SYN+ACK arrives; we send the ACK"},
              {State::SynRecv, "a SYN without ACK arrives: both sides connected at once"},
              {State::Close,
               "a reset arrives (refused), the last retry ran out (timeout), or the "
               "application gave up and closed"}},
      .kernel = "A full socket.",
      .long_stay =
          "The usual stay is one round trip. About 1 s more means that one SYN or its "
          "answer was lost, a few seconds several. Minutes mean that something drops "
          "them in silence: a firewall, a dead host, a full accept queue at the server.",
      .advice =
          {{"net.ipv4.tcp_syn_retries (6)",
            "retries before ETIMEDOUT. 6 make about 131 s (127 s before Linux 6.5, which brought "
            "tcp_syn_linear_timeouts: the first four retries come a second apart)."},
           {"ss -tnop state syn-sent", "who connects where; the timer shows the retries so far."},
           {"tcpdump -ni any 'tcp[tcpflags] & tcp-syn != 0'",
            "are the SYNs leaving, is there any answer? (IPv4)"},
           {"in the code",
            "connect without blocking and with a timeout of its own, or set "
            "TCP_SYNCNT or TCP_USER_TIMEOUT on the socket."}},
      .measured =
          "From connect() to the answer, exact: the handshake as the client feels it, with "
          "all retries. The line that leaves it tells the reason where it failed: refused, "
          "refused_by_icmp, timeout, unreachable, no_local_port (no SYN was sent), given_up (the "
          "application closed it first).",
  };
}

Explanation explain_syn_recv() {
  return {
      .summary = "a SYN came and was answered; the handshake's last ACK is due",
      .meaning =
          "A client's SYN reached a listener, and the kernel answered with SYN+ACK. No "
          "application is involved yet.",
      .waiting =
          "We wait for the client's ACK. If it has come already but the accept queue is "
          "full, or the listener set TCP_DEFER_ACCEPT, the connection waits here too: for "
          "accept(), or for the first data.",
      .in = {{State::Listen, "a SYN arrives; the SYN+ACK is sent"},
             {State::SynSent, "a SYN without ACK arrives: both sides connected at once"}},
      .out = {{State::Established, "the ACK arrives and the accept queue has room"},
              {State::Close, "a reset arrives, or the SYN+ACK was repeated in vain (syn_timeout)"},
              {State::FinWait1,
               "close() before the ACK; only a full socket can do that (TCP Fast "
               "Open, or both sides connected at once)"}},
      .kernel =
          "A request socket, some 300 bytes beside the listener. A full socket only with TCP "
          "Fast Open or when both sides connect at once. With SYN cookies there is none.",
      .long_stay =
          "The usual stay is one round trip. Longer: the SYN+ACK or the ACK got lost. Many "
          "at once: clients that never answer (a scan, a SYN flood, a one-way route), or "
          "an application that does not keep up with accept().",
      .advice = {{"net.ipv4.tcp_synack_retries (5)",
                  "how often the SYN+ACK is repeated; 5 give up after 63 s."},
                 {"net.core.somaxconn (4096), and the backlog of listen()",
                  "the smaller one limits the half-open connections of a listener, and its accept "
                  "queue."},
                 {"net.ipv4.tcp_syncookies (1)",
                  "answers without a request socket when that limit is reached."},
                 {"net.ipv4.tcp_max_syn_backlog",
                  "a further limit on half-open connections, in force while tcp_syncookies is 0."},
                 {"nstat -az TcpExtListenOverflows TcpExtTCPReqQFullDoCookies",
                  "shows whether the accept queue is full or SYNs flood in."}},
      .measured =
          "From the SYN's arrival to the last ACK, where the kernel lets the request socket be "
          "seen; the state tracepoint alone would show the last microseconds only. Unknown "
          "with --minisockets off and for connections made from a SYN cookie. tcpdwell check says "
          "what this kernel allows.",
  };
}

Explanation explain_established() {
  return {
      .summary = "open: data may flow both ways",
      .meaning =
          "Both sides know that the other one is there. On a server this says nothing about "
          "the application: the kernel finishes handshakes by itself, and the connection "
          "may still wait for accept().",
      .waiting = "Nobody has to wait for anybody. An idle connection sends nothing at all.",
      .in = {{State::SynSent, "the peer's SYN+ACK arrives (we connected)"},
             {State::SynRecv, "the ACK of our SYN arrives (they connected)"}},
      .out =
          {{State::FinWait1, "the application calls close() or shutdown(); our FIN is queued"},
           {State::CloseWait, "the peer's FIN arrives"},
           {State::Close,
            "a reset in either direction, or retries in vain (timeout). close() "
            "with unread data, or with SO_LINGER set to 0, resets as well. Where the kernel says "
            "why this host sent a reset, rst is its word"}},
      .kernel = "A full socket.",
      .long_stay =
          "Normal for pools, message queues, shells. Suspicious where requests should be "
          "short, or when no byte has moved for hours: if the peer vanished without a "
          "FIN, an idle connection lasts for ever unless keepalive asks.",
      .advice =
          {{"SO_KEEPALIVE (off unless the application sets it)",
            "probes an idle connection: after net.ipv4.tcp_keepalive_time (7200 s), then "
            "tcp_keepalive_probes (9) times every tcp_keepalive_intvl (75 s): 2 h 11 min 15 s to "
            "notice a dead peer."},
           {"net.ipv4.tcp_retries2 (15)",
            "with data on its way the retries run out instead, after some 15 minutes (924.6 s at "
            "the least)."},
           {"TCP_USER_TIMEOUT", "sets a time limit of the socket's own for unacknowledged data."},
           {"ss -tnope state established",
            "timers, owner; -i adds the time since anything was sent or received."},
           {"in the code", "read with a timeout, and close what is idle."}},
      .measured =
          "From the end of the handshake to the first FIN or reset, exact. Of a "
          "connection that was there before tcpdwell the dwell is not known, or a bound "
          "(\">=\").",
  };
}

Explanation explain_close() {
  return {
      .summary = "no connection: the beginning and the end",
      .meaning =
          "The socket exists but stands for no connection: not yet connected, or done. ss "
          "calls it UNCONN, the RFC CLOSED.",
      .waiting = "Nobody waits.",
      .in = {{State::LastAck, "our FIN was acknowledged"},
             {State::TimeWait, "its time is up"},
             {State::Listen, "the listener was closed"},
             {State::SynSent, "refused, timed out or given up"},
             {std::nullopt, "a reset, a timeout or an abort"}},
      .out = {{State::SynSent, "the application calls connect()"},
              {State::Listen, "the application calls listen()"}},
      .kernel =
          "A full socket that is in no hash table, while a process still holds it; then "
          "nothing.",
      .long_stay =
          "Sockets that were made and never connected, or whose connection is dead while "
          "the descriptor is still open: a small leak of descriptors.",
      .advice = {{"lsof -nP -p PID | grep 'protocol: TCP'",
                  "lists descriptors with no connection behind them."},
                 {"in the code", "close the descriptor when connect(), read() or write() failed."}},
      .measured =
          "Nothing: no dwell is counted for it. The line that arrives here is the "
          "connection's last one and has its life, path, who closed, and traffic where "
          "they are known. A socket that connects again is a new connection (conn id with "
          ".2, .3 and so on).",
  };
}

Explanation explain_unknown() {
  return {
      .summary = "tcpdwell does not know; no state of TCP",
      .meaning =
          "The word stands where a state could not be seen. The kernel has no such state; "
          "netstat has the word for numbers it cannot name.",
      .waiting = "Nobody knows.",
      .in = {{std::nullopt, "an event before this one was lost, or its state could not be read"}},
      .out = {{std::nullopt, "the next event is seen; its line is flagged as a gap"}},
      .kernel = "Whatever it is, tcpdwell did not see it.",
      .long_stay =
          "Look for lost events: the summary and the lines of type loss count them by "
          "place.",
      .advice = {{"--buffer SIZE", "a larger ring holds longer bursts."},
                 {"a narrower filter, or a file instead of a terminal",
                  "leaves less to write, or writes faster."},
                 {"tcpdwell check", "says which states this kernel does not show."}},
      .measured =
          "Nothing: a dwell in it is unknown, printed \"?\" and null in JSON. It is never "
          "guessed.",
  };
}

}  // namespace tcpdwell
