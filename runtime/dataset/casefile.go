package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
)

// A case on disk: caseMagic, the length of the head (uint32), the head in JSON,
// then Data (float32), Seg (int16) and each location's voxels (int32), all
// little-endian, and last the sha256 of everything before.
const caseMagic = "runspec/case/v1\n"

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
	for _, l := range h.Locations {
		want += 4 * l.Voxels
	}
	if data < 0 || want != len(b) {
		return nil, errDamaged
	}
	le := binary.LittleEndian
	c.Data = make([]float32, data)
	for i := range c.Data {
		c.Data[i] = math.Float32frombits(le.Uint32(b[4*i:]))
	}
	b = b[4*data:]
	if h.Seg > 0 {
		c.Seg = make([]int16, h.Seg)
	}
	for i := range c.Seg {
		c.Seg[i] = int16(le.Uint16(b[2*i:]))
	}
	b = b[2*h.Seg:]
	for _, l := range h.Locations {
		voxels := make([]int32, l.Voxels)
		for i := range voxels {
			voxels[i] = int32(le.Uint32(b[4*i:]))
		}
		b = b[4*l.Voxels:]
		c.Locations = append(c.Locations, Location{Label: l.Label, Voxels: voxels})
	}
	return c, nil
}
