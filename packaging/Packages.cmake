# The .deb and the tarball; what packaging/pack makes beside them is called the same. scripts/package calls it, with what
# makes them the same each time.
set(CPACK_GENERATOR DEB TGZ)
set(CPACK_PACKAGE_NAME tcpdwell)
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "dwell times of TCP connections in each state")
set(CPACK_PACKAGE_DESCRIPTION
"Watches every TCP state transition of the host with eBPF and reports how long
each connection dwelt in the state it leaves, which process owns it, and what
ended it, TIME_WAIT and SYN_RECV included. The programs it watches need no
change.
.
Traces can be recorded, compared and turned into tables and pages elsewhere;
a service exports histograms to Prometheus.")
set(CPACK_STRIP_FILES TRUE)
set(CPACK_PACKAGE_FILE_NAME "tcpdwell-${PROJECT_VERSION}-linux-${CMAKE_SYSTEM_PROCESSOR}")
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS
    OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)

set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
# Else it is this machine's, also of what was cross-compiled.
set(CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${CMAKE_SYSTEM_PROCESSOR})
string(REPLACE x86_64 amd64 CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${CPACK_DEBIAN_PACKAGE_ARCHITECTURE})
string(REPLACE aarch64 arm64 CPACK_DEBIAN_PACKAGE_ARCHITECTURE ${CPACK_DEBIAN_PACKAGE_ARCHITECTURE})
set(CPACK_DEBIAN_PACKAGE_VERSION ${PROJECT_VERSION})
set(CPACK_DEBIAN_PACKAGE_RELEASE 1)
# A package needs an address, and this project has none that lasts: .invalid is nobody's (RFC 6761). Who hands a
# package on sets their own.
set(TCPDWELL_MAINTAINER "tcpdwell authors <authors@tcpdwell.invalid>" CACHE STRING "Maintainer of the .deb: who hands it on")
set(CPACK_DEBIAN_PACKAGE_MAINTAINER ${TCPDWELL_MAINTAINER})
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_SOURCE_DIR}/deb/postinst
    ${CMAKE_CURRENT_SOURCE_DIR}/deb/prerm ${CMAKE_CURRENT_SOURCE_DIR}/deb/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION TRUE)
include(CPack)
