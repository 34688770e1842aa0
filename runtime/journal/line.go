package journal

import (
	"bytes"
	"encoding/json"
	"fmt"
	"hash/crc32"
	"strconv"
)

// A line is the CRC-32C of the JSON in eight hexadecimal digits, a space, the
// JSON, and a newline.
const checksumDigits = 8

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func line(e Event) ([]byte, error) {
	text, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	return fmt.Appendf(nil, "%0*x %s\n", checksumDigits, crc32.Checksum(text, castagnoli), text), nil
}

// replay reads all lines that end, and says how many bytes follow them.
func replay(text []byte) (events []Event, torn int, err error) {
	for n := 1; len(text) > 0; n++ {
		end := bytes.IndexByte(text, '\n')
		if end < 0 {
			return events, len(text), nil
		}
		e, err := parse(text[:end])
		if err == nil && e.Sequence != n {
			err = fmt.Errorf("it has number %d: a line is missing or repeated", e.Sequence)
		}
		if err != nil {
			return nil, 0, fmt.Errorf("line %d: %w; restore the file from a copy, or delete this line and all after it", n, err)
		}
		events = append(events, e)
		text = text[end+1:]
	}
	return events, 0, nil
}

func parse(line []byte) (Event, error) {
	if len(line) < checksumDigits+1 || line[checksumDigits] != ' ' {
		return Event{}, fmt.Errorf("it is no journal line")
	}
	text := line[checksumDigits+1:]
	sum, err := strconv.ParseUint(string(line[:checksumDigits]), 16, 32)
	if err != nil || uint32(sum) != crc32.Checksum(text, castagnoli) {
		return Event{}, fmt.Errorf("its checksum does not match: the file was changed or damaged")
	}
	var e Event
	if err := json.Unmarshal(text, &e); err != nil {
		return Event{}, err
	}
	if e.Version != Version {
		return Event{}, fmt.Errorf("its format is %q, this program reads %q", e.Version, Version)
	}
	return e, nil
}
