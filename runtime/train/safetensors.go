package train

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"slices"

	"runspec/runtime/durable"
	"runspec/runtime/engine"
)

// entry is one tensor in the head of a safetensors file.
type entry struct {
	DType   string `json:"dtype"`
	Shape   []int  `json:"shape"`
	Offsets [2]int `json:"data_offsets"`
}

// writeTensors writes a safetensors file (8-byte length, JSON head, data),
// whole or not at all. The head's metadata gets a digest of the data, so that
// a damaged file is noticed.
func writeTensors(path string, tensors map[string]engine.Tensor, metadata map[string]string) error {
	names := make([]string, 0, len(tensors))
	for name := range tensors {
		names = append(names, name)
	}
	slices.Sort(names)
	head := map[string]any{}
	var data []byte
	for _, name := range names {
		t := tensors[name]
		start := len(data)
		for _, v := range t.Data {
			data = binary.LittleEndian.AppendUint32(data, math.Float32bits(v))
		}
		head[name] = entry{"F32", t.Shape, [2]int{start, len(data)}}
	}
	sum := sha256.Sum256(data)
	full := map[string]string{"sha256": hex.EncodeToString(sum[:])}
	for k, v := range metadata {
		full[k] = v
	}
	head["__metadata__"] = full
	text, err := json.Marshal(head)
	if err != nil {
		return err
	}
	text = append(text, bytes.Repeat([]byte{' '}, (8-len(text)%8)%8)...)
	f, err := durable.Create(path)
	if err != nil {
		return err
	}
	defer f.Discard()
	for _, part := range [][]byte{binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, data} {
		if _, err := f.Write(part); err != nil {
			return err
		}
	}
	return f.Commit()
}

// readTensors reads what writeTensors wrote and checks its digest.
func readTensors(path string) (map[string]engine.Tensor, map[string]string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, err
	}
	bad := func(why string) (map[string]engine.Tensor, map[string]string, error) {
		return nil, nil, fmt.Errorf("%s is damaged (%s); delete it, and the training starts again from the checkpoint before", path, why)
	}
	if len(b) < 8 || binary.LittleEndian.Uint64(b) > uint64(len(b)-8) {
		return bad("its head is cut off")
	}
	n := int(binary.LittleEndian.Uint64(b))
	raw, data := map[string]json.RawMessage{}, b[8+n:]
	if err := json.Unmarshal(b[8:8+n], &raw); err != nil {
		return bad("its head is not JSON")
	}
	metadata := map[string]string{}
	if err := json.Unmarshal(raw["__metadata__"], &metadata); err != nil {
		return bad("it has no metadata")
	}
	delete(raw, "__metadata__")
	if sum := sha256.Sum256(data); metadata["sha256"] != hex.EncodeToString(sum[:]) {
		return bad("its data do not have the digest that its head names")
	}
	tensors := map[string]engine.Tensor{}
	for name, text := range raw {
		var e entry
		if err := json.Unmarshal(text, &e); err != nil || e.DType != "F32" {
			return bad("tensor " + name + " is not of type F32")
		}
		size := 1
		for _, d := range e.Shape {
			size *= d
		}
		if e.Offsets[0] < 0 || e.Offsets[1] > len(data) || e.Offsets[1]-e.Offsets[0] != 4*size {
			return bad("tensor " + name + " lies outside the file")
		}
		t := engine.Tensor{Shape: e.Shape, Data: make([]float32, size)}
		for i := range t.Data {
			t.Data[i] = math.Float32frombits(binary.LittleEndian.Uint32(data[e.Offsets[0]+4*i:]))
		}
		tensors[name] = t
	}
	return tensors, metadata, nil
}
