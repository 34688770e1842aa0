package hlo

import (
	"encoding/binary"
	"errors"
)

// field is one field of a protocol buffer message: number is a varint's value,
// bytes those of a string, a message or a packed list.
type field struct {
	tag    int
	number uint64
	bytes  []byte
}

var errCut = errors.New("the message is cut short, or no protocol buffer")

// The wire types that XLA's messages use.
const (
	varintWire = 0
	wide64Wire = 1
	bytesWire  = 2
	wide32Wire = 5
)

// fields calls f with each field of a message.
func fields(message []byte, f func(field) error) error {
	for len(message) > 0 {
		key, n := binary.Uvarint(message)
		if n <= 0 {
			return errCut
		}
		message = message[n:]
		x := field{tag: int(key >> 3)}
		n = 0
		switch key & 7 {
		case varintWire:
			x.number, n = binary.Uvarint(message)
			if n <= 0 {
				return errCut
			}
		case wide64Wire:
			n = 8
		case wide32Wire:
			n = 4
		case bytesWire:
			length, head := binary.Uvarint(message)
			if head <= 0 || length > uint64(len(message)-head) {
				return errCut
			}
			n = head + int(length)
			x.bytes = message[head:n]
		default:
			return errCut
		}
		if n > len(message) {
			return errCut
		}
		message = message[n:]
		if err := f(x); err != nil {
			return err
		}
	}
	return nil
}

// numbers appends a repeated integer, packed or not.
func (x field) numbers(to []int64) ([]int64, error) {
	if x.bytes == nil {
		return append(to, int64(x.number)), nil
	}
	for rest := x.bytes; len(rest) > 0; {
		v, n := binary.Uvarint(rest)
		if n <= 0 {
			return to, errCut
		}
		to, rest = append(to, int64(v)), rest[n:]
	}
	return to, nil
}
