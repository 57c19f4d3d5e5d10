package main

import (
	"encoding/binary"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

// oobBytes is room for the control message with a time stamp.
const oobBytes = 64

// stamped makes the kernel note when each datagram arrived: with the time at which this program gets round to reading it, a busy
// machine would be measured and not the border.
func stamped(host string, port int) (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.ParseIP(host), Port: port})
	if err != nil {
		return nil, err
	}
	raw, err := conn.SyscallConn()
	if err == nil {
		var fault error
		err = raw.Control(func(fd uintptr) { fault = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1) })
		if err == nil {
			err = fault
		}
	}
	if err == nil {
		err = conn.SetReadBuffer(8 << 20)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// arrival finds the time stamp in the control messages of a datagram; without one it is now.
func arrival(oob []byte) time.Time {
	messages, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return time.Now()
	}
	for _, m := range messages {
		if m.Header.Level == unix.SOL_SOCKET && m.Header.Type == unix.SCM_TIMESTAMPNS && len(m.Data) >= 16 {
			seconds, nanos := binary.NativeEndian.Uint64(m.Data), binary.NativeEndian.Uint64(m.Data[8:])
			return time.Unix(int64(seconds), int64(nanos))
		}
	}
	return time.Now()
}
