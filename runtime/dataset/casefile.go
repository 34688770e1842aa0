package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"unsafe"
)

// A case on disk: caseMagic, the length of the head (uint32), the head in JSON,
// then Data (float32), Seg (int16) and each location's voxels (int32), all
// little-endian, and last the sha256 of everything before. Blanks behind the head
// bring the arrays to a multiple of alignment, so that they can be used in place.
const (
	caseMagic = "runspec/case/v1\n"
	alignment = 64
)

// caseHead is a Case without its arrays, but with their lengths.
type caseHead struct {
	Key        string
	ID         string
	Channels   int
	Shape      [3]int
	Spacing    [3]float64
	Seg        int // values; 0 for a case without labels
	Locations  []locationHead
	Properties Properties
}

type locationHead struct {
	Label  int16
	Voxels int
}

func encodeCase(c *Case, key string) ([]byte, error) {
	head := caseHead{Key: key, ID: c.ID, Channels: c.Channels, Shape: c.Shape, Spacing: c.Spacing, Seg: len(c.Seg), Properties: c.Properties}
	size := 4*len(c.Data) + 2*len(c.Seg)
	for _, l := range c.Locations {
		head.Locations = append(head.Locations, locationHead{l.Label, len(l.Voxels)})
		size += 4 * len(l.Voxels)
	}
	text, err := json.Marshal(head)
	if err != nil {
		return nil, err
	}
	for (len(caseMagic)+4+len(text))%alignment != 0 {
		text = append(text, ' ')
	}
	b := make([]byte, 0, len(caseMagic)+4+len(text)+size+sha256.Size)
	b = append(b, caseMagic...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(text)))
	b = append(b, text...)
	for _, v := range c.Data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	for _, v := range c.Seg {
		b = binary.LittleEndian.AppendUint16(b, uint16(v))
	}
	for _, l := range c.Locations {
		for _, v := range l.Voxels {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
	}
	sum := sha256.Sum256(b)
	return append(b, sum[:]...), nil
}

var errDamaged = errors.New("the cached case is damaged")

// decodeCase reads encodeCase's bytes; the error says no more than that they are
// not those, since the case can be made again.
func decodeCase(b []byte, key string) (*Case, error) {
	start := len(caseMagic) + 4
	if len(b) < start+sha256.Size || !bytes.HasPrefix(b, []byte(caseMagic)) {
		return nil, errDamaged
	}
	body, sum := b[:len(b)-sha256.Size], b[len(b)-sha256.Size:]
	if got := sha256.Sum256(body); !bytes.Equal(got[:], sum) {
		return nil, errDamaged
	}
	n := int(binary.LittleEndian.Uint32(body[len(caseMagic):]))
	if n > len(body)-start {
		return nil, errDamaged
	}
	var head caseHead
	if json.Unmarshal(body[start:start+n], &head) != nil || head.Key != key {
		return nil, errDamaged
	}
	return head.fill(body[start+n:])
}

// fill reads the arrays.
func (h caseHead) fill(b []byte) (*Case, error) {
	c := &Case{ID: h.ID, Channels: h.Channels, Shape: h.Shape, Spacing: h.Spacing, Properties: h.Properties}
	data := h.Channels * h.Shape[0] * h.Shape[1] * h.Shape[2]
	want := 4*data + 2*h.Seg
	sound := data >= 0 && h.Seg >= 0
	for _, l := range h.Locations {
		want += 4 * l.Voxels
		sound = sound && l.Voxels >= 0
	}
	if !sound || want != len(b) {
		return nil, errDamaged
	}
	c.Data = view[float32](b, data)
	b = b[4*data:]
	c.Seg = view[int16](b, h.Seg)
	b = b[2*h.Seg:]
	for _, l := range h.Locations {
		c.Locations = append(c.Locations, Location{Label: l.Label, Voxels: view[int32](b, l.Voxels)})
		b = b[4*l.Voxels:]
	}
	return c, nil
}

// little says whether this machine keeps numbers as the file does.
var little = binary.NativeEndian.Uint16([]byte{1, 0}) == 1

// view gives the first n little-endian numbers of b: in place where the machine
// keeps them so and they are aligned, otherwise a copy. None is nil.
func view[T float32 | int32 | int16](b []byte, n int) []T {
	if n == 0 {
		return nil
	}
	var one T
	b = b[:n*int(unsafe.Sizeof(one))]
	first := unsafe.Pointer(unsafe.SliceData(b))
	if little && uintptr(first)%unsafe.Alignof(one) == 0 {
		return unsafe.Slice((*T)(first), n)
	}
	out := make([]T, n)
	if _, err := binary.Decode(b, binary.LittleEndian, out); err != nil {
		panic(err) // the length was checked
	}
	return out
}
