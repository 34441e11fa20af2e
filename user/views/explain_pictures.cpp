// SPDX-License-Identifier: BSD-2-Clause
#include "views/explain_texts.h"

namespace tcpdwell {

// RFC 9293, figure 5, turned so that passive open and active close share the left side.
const std::string_view kStateDiagram = R"(
                          ┌─────────────┐
               listen()   │             │   connect()
        ┌─────────────────┤    CLOSE    ├─────────────────┐ >SYN
        │                 │             │                 │
        │                 └─────────────┘                 │
        │                   ▲         ▲                   │
        ▼           close() │         │ close()           ▼
 ┌─────────────┐            │         │            ┌─────────────┐
 │             ├────────────┘         └────────────┤             │
 │   LISTEN    │                                   │  SYN_SENT   │
 │             ├┄┄┄┄┄┄┄┄┄┄ send() >SYN (a) ┄┄┄┄┄┄┄▶│             │
 └─┬─────────▲─┘                                   └─┬─────────┬─┘
   │ <SYN    │ <RST (b)             both connect:    │         │
   │ >SYN+ACK│                      <SYN  >SYN+ACK   │         │
   ▼         │                                       │         │
 ┌───────────┴─┐                                     │         │
 │  SYN_RECV   │◀────────────────────────────────────┘         │
 └─┬─────────┬─┘                                     <SYN+ACK  │
   │         │ <ACK         ┌─────────────┐          >ACK      │
   │         └─────────────▶│ ESTABLISHED │◀───────────────────┘
   │ close()                └─┬─────────┬─┘
   │ >FIN             close() │         │ <FIN
   │                  >FIN    │         │ >ACK
   │         ┌────────────────┘         └─────────────────┐
   ▼         ▼                                            ▼
 ┌─────────────┐                                   ┌─────────────┐
 │  FIN_WAIT1  │                                   │ CLOSE_WAIT  │
 └─┬────┬────┬─┘                                   └──────┬──────┘
   │    │    │ <FIN  >ACK                                 │ close()
   │    │    └────────────────────┐                       │ >FIN
   │    │ <FIN+ACK  >ACK          ▼                       ▼
   │    └─────────────┐    ┌─────────────┐         ┌─────────────┐
   │ <ACK             │    │   CLOSING   │         │  LAST_ACK   │
   ▼                  │    └──────┬──────┘         └──────┬──────┘
 ┌─────────────┐      │           │ <ACK                  │ <ACK
 │  FIN_WAIT2  │      │           │                       │
 └─┬───────────┘      ▼           ▼                       ▼
   │           ┌─────────────────────┐             ┌─────────────┐
   │ <FIN >ACK │      TIME_WAIT      │  60 s pass  │             │
   └──────────▶│                     ├────────────▶│    CLOSE    │
               └─────────────────────┘             └─────────────┘
)";

const std::string_view kOneSideCloses = R"(
             ESTABLISHED │                         │ ESTABLISHED
    close()  FIN_WAIT1   ├───────── FIN ──────────▶│ CLOSE_WAIT  read() gives 0
             FIN_WAIT2   │◀──────── ACK ───────────┤
                         │                         │             until it calls
             TIME_WAIT   │◀──────── FIN ───────────┤ LAST_ACK    close()
                         ├───────── ACK ──────────▶│ CLOSE
 60 s later  CLOSE       │
)";

const std::string_view kBothSidesClose = R"(
             ESTABLISHED │                         │ ESTABLISHED
    close()  FIN_WAIT1   ├── FIN ──┐     ┌── FIN ──┤ FIN_WAIT1   close()
                         │         └──┐  │         │
                         │         ┌──┼──┘         │
             CLOSING     │◀────────┘  └───────────▶│ CLOSING
                         ├───────── ACK ──────────▶│ TIME_WAIT
             TIME_WAIT   │◀──────── ACK ───────────┤
 60 s later  CLOSE       │                         │ CLOSE       60 s later
)";

}  // namespace tcpdwell
