package exchange

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math"
	"path"
	"strconv"
	"strings"

	"runspec/runtime/engine"
	"runspec/runtime/exchange/pickle"
)

// readPth reads a file of torch.save: a zip archive of a pickle and the storages
// that its tensors are views of. Tensors come out as engine.Tensor, anything else
// as package pickle has it. The error does not name the file; the caller does.
func readPth(data []byte) (any, error) {
	if !bytes.HasPrefix(data, []byte("PK\x03\x04")) {
		return nil, errors.New("it is no zip archive: either it is damaged, or PyTorch wrote it in the format from before version 1.6; load it in PyTorch and save it again")
	}
	archive, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
	if err != nil {
		return nil, fmt.Errorf("its archive is damaged or cut off: %w", err)
	}
	p := &pth{files: map[string]*zip.File{}, storages: map[string]*storage{}, size: len(data)}
	for _, f := range archive.File {
		if path.Base(f.Name) == "data.pkl" && p.root == "" {
			p.root = path.Dir(f.Name)
		}
		p.files[f.Name] = f
	}
	order, err := p.optional("byteorder")
	if err != nil {
		return nil, err
	}
	if text := strings.TrimSpace(string(order)); text != "" && text != "little" {
		return nil, fmt.Errorf("its byte order is %.20q; only little is read", text)
	}
	text, err := p.file("data.pkl")
	if err != nil {
		return nil, err
	}
	return pickle.Reader{Globals: p.allowed(), Outside: p.storage}.Read(text)
}

// pth is an archive under way.
type pth struct {
	root     string
	files    map[string]*zip.File
	storages map[string]*storage // by key
	size     int                 // bytes of the file, which bound what is made of it
	read     int                 // bytes of members
	decoded  int                 // characters of Latin-1
}

// optional is a member's content, or nothing where there is no such member.
func (p *pth) optional(name string) ([]byte, error) {
	if p.files[path.Join(p.root, name)] == nil {
		return nil, nil
	}
	return p.file(name)
}

func (p *pth) file(name string) ([]byte, error) {
	f := p.files[path.Join(p.root, name)]
	if f == nil {
		return nil, fmt.Errorf("its archive has no %.80q: it is not of torch.save, or cut off", name)
	}
	if f.Method != zip.Store { // what is stored is no larger than the file
		return nil, fmt.Errorf("%.80q in its archive is compressed, which torch.save never does", name)
	}
	r, err := f.Open()
	if err != nil {
		return nil, fmt.Errorf("%.80q in its archive: %w", name, err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, int64(p.size-p.read)+1))
	if err != nil {
		return nil, fmt.Errorf("%.80q in its archive: %w", name, err)
	}
	if p.read += len(b); p.read > p.size {
		return nil, errors.New("members of its archive overlap: together they are larger than the file")
	}
	return b, nil
}

// storage is what the identifier ('storage', class, key, location, length) means.
func (p *pth) storage(id any) (any, error) {
	t, ok := id.(pickle.Tuple)
	if !ok || len(t) < 5 || t[0] != "storage" {
		return nil, fmt.Errorf("an object outside of the pickle is no storage")
	}
	class, okC := t[1].(pickle.Global)
	key, okK := t[2].(string)
	length, okL := t[4].(int64)
	kind, known := storages[class.Name]
	if !okC || !okK || !okL {
		return nil, fmt.Errorf("a storage's identifier has %s, %s and %s for its class, key and length", pickle.Kind(t[1]), pickle.Kind(t[2]), pickle.Kind(t[4]))
	}
	if !known || class.Module != "torch" {
		return nil, fmt.Errorf("a storage of class %s is not known", class)
	}
	if s := p.storages[key]; s != nil {
		if s.class != class.Name || int64(s.length()) != length {
			return nil, fmt.Errorf("storage %.40q is a %s of %d numbers and a %s of %d", key, s.class, s.length(), class.Name, length)
		}
		return s, nil
	}
	data, err := p.file("data/" + key)
	if err != nil {
		return nil, err
	}
	if length < 0 || length > largest || int64(len(data)) != length*int64(kind.size) {
		return nil, fmt.Errorf("storage %.40q has %d bytes where %d numbers of %d bytes are promised", key, len(data), length, kind.size)
	}
	p.storages[key] = &storage{element: kind, class: class.Name, data: data, views: map[place]engine.Tensor{}}
	return p.storages[key], nil
}

// pthWriter gathers the storages of a file of torch.save.
type pthWriter struct {
	storages [][]byte
	known    map[*float32]int // first elements of tensors that are written already
}

// tensor makes the call that rebuilds a tensor. A tensor that was written before
// shares its storage, as PyTorch's aliases do.
func (w *pthWriter) tensor(t engine.Tensor) pickle.Call {
	key := w.keep(t.Data)
	shape, strides := make(pickle.Tuple, len(t.Shape)), make(pickle.Tuple, len(t.Shape))
	stride := 1
	for i := len(t.Shape) - 1; i >= 0; i-- {
		shape[i], strides[i] = t.Shape[i], stride
		stride *= t.Shape[i]
	}
	id := pickle.Tuple{"storage", pickle.Global{Module: "torch", Name: "FloatStorage"}, strconv.Itoa(key), "cpu", len(t.Data)}
	return pickle.Call{
		Global: pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor_v2"},
		Args: pickle.Tuple{pickle.Reference{ID: id}, 0, shape, strides, false,
			pickle.Call{Global: pickle.Global{Module: "collections", Name: "OrderedDict"}, Args: pickle.Tuple{}}},
	}
}

func (w *pthWriter) keep(data []float32) int {
	if w.known == nil {
		w.known = map[*float32]int{}
	}
	if len(data) > 0 {
		if key, ok := w.known[&data[0]]; ok {
			return key
		}
		w.known[&data[0]] = len(w.storages)
	}
	b := make([]byte, 0, 4*len(data))
	for _, v := range data {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	w.storages = append(w.storages, b)
	return len(w.storages) - 1
}

// file gives the archive, whose members are stored and not compressed, as PyTorch
// wants them. Its bytes depend on nothing but the contents.
func (w *pthWriter) file(name string, value any) ([]byte, error) {
	text, err := pickle.Write(value)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	add := func(member string, data []byte) {
		h := &zip.FileHeader{Name: name + "/" + member, Method: zip.Store, CRC32: crc32.ChecksumIEEE(data)}
		h.CompressedSize64, h.UncompressedSize64 = uint64(len(data)), uint64(len(data))
		f, failed := z.CreateRaw(h)
		if failed == nil {
			_, failed = f.Write(data)
		}
		err = errors.Join(err, failed)
	}
	add("data.pkl", text)
	add("byteorder", []byte("little"))
	for i, s := range w.storages {
		add("data/"+strconv.Itoa(i), s)
	}
	add("version", []byte("3\n"))
	if err := errors.Join(err, z.Close()); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// count makes the call that rebuilds an integer scalar.
func (w *pthWriter) count(n int) pickle.Call {
	w.storages = append(w.storages, binary.LittleEndian.AppendUint64(nil, uint64(n)))
	id := pickle.Tuple{"storage", pickle.Global{Module: "torch", Name: "LongStorage"}, strconv.Itoa(len(w.storages) - 1), "cpu", 1}
	return pickle.Call{
		Global: pickle.Global{Module: "torch._utils", Name: "_rebuild_tensor_v2"},
		Args: pickle.Tuple{pickle.Reference{ID: id}, 0, pickle.Tuple{}, pickle.Tuple{}, false,
			pickle.Call{Global: pickle.Global{Module: "collections", Name: "OrderedDict"}, Args: pickle.Tuple{}}},
	}
}
