package exchange

import (
	"archive/zip"
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"runspec/compiler/nnunet"
	"runspec/compiler/unet"
	"runspec/runtime/engine"
	"runspec/runtime/exchange/pickle"
	"runspec/runtime/train"
)

// example is a model with random weights of a small network.
func example(t *testing.T, change func(*unet.Architecture)) Model {
	t.Helper()
	d, err := nnunet.ReadDataset([]byte(`{"channel_names": {"0": "MRI"}, "labels": {"background": 0, "a": 1, "b": 2}, "numTraining": 20, "file_ending": ".nii.gz"}`))
	if err != nil {
		t.Fatal(err)
	}
	f := nnunet.Fingerprint{MedianRelativeSize: 1, Foreground: map[string]nnunet.Intensity{"0": {Max: 1, Std: 1}}}
	for range 20 {
		f.Spacings, f.ShapesAfterCrop = append(f.Spacings, [3]float64{1, 1, 1}), append(f.ShapesAfterCrop, [3]int{36, 50, 35})
	}
	s, err := nnunet.Plan(d, f, nnunet.Options{})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := s.Configuration("3d_fullres")
	if c, err = c.WithFeatures(2, 8); err != nil {
		t.Fatal(err)
	}
	change(&c.Architecture)
	m := Model{Dataset: d, Plans: nnunet.Plans{DatasetName: "Dataset999_Example", Settings: s}, Configuration: c, Trainer: "nnUNetTrainer"}
	m.Folds = []Fold{randomFold(t, c.Architecture)}
	return m
}

func randomFold(t *testing.T, a unet.Architecture) Fold {
	t.Helper()
	n, err := unet.Build(a)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	f := Fold{Name: "0", Parameters: map[string]engine.Tensor{}, Buffers: map[string]engine.Tensor{}, MirrorAxes: []int{0, 1, 2}, Epochs: 3}
	for _, p := range n.Parameters {
		x := engine.Tensor{Shape: p.Shape, Data: make([]float32, engine.Size(p.Shape))}
		for i := range x.Data {
			x.Data[i] = float32(r.NormFloat64())
		}
		f.Parameters[p.Name] = x
	}
	for _, b := range n.Blocks {
		if b.Op == unet.Normalise && b.Norm == unet.BatchNorm {
			for _, name := range []string{".running_mean", ".running_var"} {
				x := engine.Tensor{Shape: []int{b.Channels[1]}, Data: make([]float32, b.Channels[1])}
				for i := range x.Data {
					x.Data[i] = float32(1 + r.Float64())
				}
				f.Buffers[b.Name+name] = x
			}
		}
	}
	return f
}

// architectures are changes of the example that nnU-Net's plans can express.
var architectures = map[string]func(*unet.Architecture){
	"plain":    func(*unet.Architecture) {},
	"batch":    func(a *unet.Architecture) { a.Norm, a.Activation, a.Dropout = unet.BatchNorm, unet.PReLU, 0.2 },
	"residual": func(a *unet.Architecture) { a.Encoder, a.Activation = unet.Residual, unet.GELU },
}

// twoSides gives the decoder layers of its own, as a derivation may.
func twoSides(a *unet.Architecture) {
	a.DecoderSide = &unet.Side{Norm: unet.BatchNorm, Activation: unet.ELU}
}

// TestModelRoundTrip writes model folders and reads them back.
func TestModelRoundTrip(t *testing.T) {
	for name, change := range architectures {
		m := example(t, change)
		dir := t.TempDir()
		if err := WriteModel(dir, m, nil); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		got, err := ReadModel(dir, ReadOptions{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		want := m.Folds[0]
		want.Checkpoint = filepath.Join(dir, "fold_0", "checkpoint_final.pth")
		if d := cmp.Diff(want, got.Folds[0]); d != "" {
			t.Errorf("%s: %.500s", name, d)
		}
		if d := cmp.Diff(m.Configuration, got.Configuration); d != "" {
			t.Errorf("%s: %s", name, d)
		}
	}
}

// TestStateDict compares the names with those that nnU-Net wrote of its own
// checkpoint of a plain network: convolution, norm, each twice, all of the encoder
// twice more.
func TestStateDict(t *testing.T) {
	m := example(t, architectures["batch"])
	d, err := m.stateDict(&pthWriter{}, m.Folds[0])
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{
		"encoder.stages.0.0.convs.0.conv.weight", "encoder.stages.0.0.convs.0.all_modules.0.weight",
		"decoder.encoder.stages.0.0.convs.0.conv.weight", "decoder.encoder.stages.0.0.convs.0.all_modules.0.weight",
		"encoder.stages.0.0.convs.0.all_modules.2.running_var", // behind convolution and dropout
		"encoder.stages.0.0.convs.0.all_modules.3.weight",      // PReLU's slope
		"encoder.stages.0.0.convs.0.norm.num_batches_tracked", "decoder.stages.0.convs.0.all_modules.2.weight",
		"decoder.transpconvs.0.weight", "decoder.seg_layers.0.bias",
	} {
		if _, ok := d.Get(key); !ok {
			t.Errorf("%s is missing", key)
		}
	}
	if _, ok := d.Get("decoder.decoder.stages.0.convs.0.conv.weight"); ok {
		t.Error("the decoder is in itself")
	}
}

// TestCases reads a fold's Dice, in which only NaN may stand beside what a Dice can be.
func TestCases(t *testing.T) {
	m := example(t, architectures["plain"])
	summary := filepath.Join(t.TempDir(), "summary.json")
	m.Folds[0].Summary = summary
	for dice, want := range map[string]string{"0": "", "1.0": "", "NaN": "", "1.0001": "the Dice of \"b\" (2) is 1.0001", "-0.5": "-0.5", "1e300": "1e+300"} {
		text := fmt.Sprintf(`{"foreground_mean": {"Dice": 1}, "mean": {"1": {"Dice": 1}, "2": {"Dice": 1}},
			"metric_per_case": [{"metrics": {"1": {"Dice": 0.5}, "2": {"Dice": %s}}, "prediction_file": "x/case_7.nii.gz", "reference_file": "y"}]}`, dice)
		text = strings.ReplaceAll(text, `{"Dice"`, `{"FN": 1, "FP": 1, "IoU": 0.5, "TN": 1, "TP": 1, "n_pred": 1, "n_ref": 1, "Dice"`)
		if err := os.WriteFile(summary, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := m.Cases()
		switch {
		case want == "" && (err != nil || len(got) != 1 || got[0].Case != "case_7" || got[0].Dice["a"] != 0.5):
			t.Errorf("%s: %v, %v", dice, got, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), summary+": case case_7:")):
			t.Errorf("%s: %v, want an error with %q, file and case", dice, err, want)
		}
	}
}

// TestMirrorAxes: a network is asked about the mirrorings that its training knew, and
// no others.
func TestMirrorAxes(t *testing.T) {
	for _, want := range [][]int{{0, 1, 2}, {0, 1}, {2}, nil} {
		m := example(t, architectures["plain"])
		m.Folds[0].MirrorAxes = want
		dir := t.TempDir()
		if err := WriteModel(dir, m, nil); err != nil {
			t.Fatal(err)
		}
		m, err := ReadModel(dir, ReadOptions{})
		if err != nil {
			t.Fatal(err)
		}
		folds, err := m.Trained()
		if err != nil {
			t.Fatal(err)
		}
		made, done, err := train.NewModel(folds, train.Place{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		done()
		if d := cmp.Diff(want, made.Mirror); d != "" {
			t.Errorf("%v: %s", want, d)
		}
	}
	for want, axes := range map[string]any{"axes 0 to 2": tupleOf(0, 3), "each once": tupleOf(1, 1), "a str": &pickle.List{Items: []any{"0"}}, "a float": 1.5} {
		if _, err := mirrorAxes(dict("inference_allowed_mirroring_axes", axes), 3); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
	if got, err := mirrorAxes(dict("inference_allowed_mirroring_axes", &pickle.List{Items: []any{int64(1)}}), 2); err != nil || len(got) != 1 || got[0] != 2 {
		t.Errorf("2-D: %v, %v", got, err)
	}
}

// TestOtherFolds: a model is not mixed with an earlier export's folds, and is read
// from a folder of any name.
func TestOtherFolds(t *testing.T) {
	m := example(t, architectures["plain"])
	dir := filepath.Join(t.TempDir(), "model [1]*")
	if err := WriteModel(dir, m, nil); err != nil {
		t.Fatal(err)
	}
	if err := WriteModel(dir, m, nil); err != nil {
		t.Errorf("the same folds again: %v", err)
	}
	if got, err := ReadModel(dir, ReadOptions{}); err != nil || len(got.Folds) != 1 {
		t.Error(err)
	}
	m.Folds[0].Name = "1"
	if err := WriteModel(dir, m, nil); err == nil || !strings.Contains(err.Error(), dir+" holds fold 0 of an earlier export") {
		t.Error(err)
	}
	if exists(filepath.Join(dir, "fold_1")) {
		t.Error("something was written")
	}
}

// TestRefusedNetwork: what plans cannot say is refused before a file is written.
func TestRefusedNetwork(t *testing.T) {
	m := example(t, architectures["plain"])
	m.Configuration.Architecture.Stages[1].Kernel = [3]int{2, 2, 2}
	dir := filepath.Join(t.TempDir(), "model")
	if err := WriteModel(dir, m, nil); err == nil {
		t.Error("a kernel of even size was written")
	}
	m = example(t, twoSides)
	if err := WriteModel(dir, m, nil); err == nil || !strings.Contains(err.Error(), "its decoder has BatchNorm, ELU") {
		t.Errorf("a decoder of its own kind: %v", err)
	}
	if exists(dir) {
		t.Error("something was written")
	}
}

// TestBadModels wants one clear error of each broken folder, with the file.
func TestBadModels(t *testing.T) {
	whole := t.TempDir()
	if err := WriteModel(whole, example(t, architectures["plain"]), nil); err != nil {
		t.Fatal(err)
	}
	const checkpoint = "fold_0/checkpoint_final.pth"
	original, err := os.ReadFile(filepath.Join(whole, checkpoint))
	if err != nil {
		t.Fatal(err)
	}
	foreign := archive(t, "cos\nsystem\n(X\x02\x00\x00\x00lstR.")
	for name, c := range map[string]struct {
		file    string
		content []byte // nil: removed
		options ReadOptions
		want    string
	}{
		"missing fold":   {file: checkpoint, options: ReadOptions{Folds: []string{"3"}}, want: "fold_3"},
		"no checkpoint":  {file: checkpoint, want: "checkpoint_final.pth"},
		"truncated":      {file: checkpoint, content: original[:len(original)/2], want: "damaged or cut off"},
		"no archive":     {file: checkpoint, content: []byte("\x80\x02."), want: "no zip archive"},
		"foreign global": {file: checkpoint, content: foreign, want: "os.system"},
		"no dictionary":  {file: checkpoint, content: archive(t, "N."), want: "no dictionary"},
		"no weights":     {file: checkpoint, content: archive(t, "}."), want: "network_weights is missing"},
		"no plans":       {file: "plans.json", want: "plans.json"},
		"bad plans":      {file: "plans.json", content: []byte("{"), want: "plans.json"},
		"other data set": {file: "dataset.json", content: []byte(`{"channel_names": {"0": "a", "1": "b"}, "labels": {"background": 0, "a": 1}, "numTraining": 2, "file_ending": ".nii.gz"}`), want: "normalization_schemes"},
		"other classes":  {file: "dataset.json", content: []byte(`{"channel_names": {"0": "a"}, "labels": {"background": 0, "a": 1}, "numTraining": 2, "file_ending": ".nii.gz"}`), want: "seg_layers"},
	} {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(whole)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, c.file)
		if c.content == nil {
			os.Remove(path)
		} else if err := os.WriteFile(path, c.content, 0o644); err != nil {
			t.Fatal(err)
		}
		_, err := ReadModel(dir, c.options)
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v, want an error with %q and the file", name, err, c.want)
		}
	}
}

// archive is a file of torch.save with a pickle of its own and a storage "0" of
// eight bytes.
func archive(t testing.TB, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for _, member := range []struct{ name, text string }{{"x/data.pkl", text}, {"x/data/0", "12345678"}} {
		f, err := z.CreateHeader(&zip.FileHeader{Name: member.name, Method: zip.Store})
		if err == nil {
			_, err = f.Write([]byte(member.text))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestTensors reads views that are not contiguous, and refuses those that reach
// beyond their storage.
func TestTensors(t *testing.T) {
	s := &storage{element: storages["ShortStorage"], data: []byte{0, 0, 1, 0, 2, 0, 3, 0, 4, 0, 5, 0}, views: map[place]engine.Tensor{}}
	rebuild := (&pth{}).tensor
	got, err := rebuild(pickle.Tuple{s, int64(0), tupleOf(3, 2), tupleOf(1, 3)})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(engine.Tensor{Shape: []int{3, 2}, Data: []float32{0, 3, 1, 4, 2, 5}}, got); d != "" {
		t.Error(d)
	}
	for _, bad := range []pickle.Tuple{
		{s, int64(1), tupleOf(3, 2), tupleOf(1, 3)},
		{s, int64(-1), tupleOf(1), tupleOf(1)},
		{s, int64(0), tupleOf(-1), tupleOf(1)},
		{s, int64(0), tupleOf(1<<40, 1<<40), tupleOf(0, 0)},
		{s, int64(0), tupleOf(2), tupleOf(math.MaxInt64)},
		{s, int64(math.MaxInt64), tupleOf(2), tupleOf(1)},
		{s, int64(0), make(pickle.Tuple, 1<<20), make(pickle.Tuple, 1<<20)},
		{s, int64(0), tupleOf(2), tupleOf(1, 1)},
		{nil, int64(0), tupleOf(2), tupleOf(1)},
	} {
		if _, err := rebuild(bad); err == nil {
			t.Errorf("%v was rebuilt", bad[1:])
		}
	}
	// Ever other views of one storage come to an end; the same one again is free.
	for first := range int64(1000) {
		if _, err := rebuild(pickle.Tuple{s, int64(0), tupleOf(1, 6), tupleOf(first, 1)}); err != nil {
			return
		}
		if _, err := rebuild(pickle.Tuple{s, int64(0), tupleOf(1, 6), tupleOf(0, 1)}); err != nil {
			t.Fatalf("a view that is there already: %v", err)
		}
	}
	t.Error("a storage of 6 elements was shown a thousand times")
}

// hostile are checkpoints that would take the process's stack, memory or time.
func hostile(t testing.TB) map[string]struct{ text, want string } {
	nested := "N" + strings.Repeat("q\x00h\x00\x86", 100) // tuples of two of the one before
	deep := "N" + strings.Repeat("\x85", 1<<20)
	float := "(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000NK\x02tQ"
	return map[string]struct{ text, want string }{
		"device of nested tuples": {"ctorch\ndevice\n" + nested + "\x85R.", "a device without a name"},
		"device of deep tuples":   {"ctorch\ndevice\n" + deep + "R.", "a device without a name"},
		"storage of tuples":       {"(X\x07\x00\x00\x00storage" + nested + "X\x01\x00\x00\x000NK\x02tQ.", "has a tuple"},
		"two classes":             {float + strings.Replace(float, "Float", "Int", 1) + ".", "storage \"0\" is a FloatStorage of 2 numbers and a IntStorage of 2"},
		"text without end":        {"c_codecs\nencode\nX\x00\x02\x00\x00" + strings.Repeat("a", 512) + "X\x06\x00\x00\x00latin1\x86q\x00R" + strings.Repeat("c_codecs\nencode\nh\x00R", 1000) + ".", "more text than the file has"},
		"lines without end":       {strings.Repeat("I1\n", 1<<20), "ends in the middle"},
	}
}

// TestHostile wants an error for each, soon.
func TestHostile(t *testing.T) {
	for name, c := range hostile(t) {
		began := time.Now()
		_, err := readPth(archive(t, c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) || len(err.Error()) > 500 {
			t.Errorf("%s: %.500v, want an error with %q", name, err, c.want)
		}
		if d := time.Since(began); d > 20*time.Second {
			t.Errorf("%s: it took %v", name, d)
		}
	}
}

// TestOverlap: members that name the same bytes are refused, though each is no larger
// than the file.
func TestOverlap(t *testing.T) {
	text := archive(t, "N.")
	p := &pth{size: len(text), read: len(text)}
	z, err := zip.NewReader(bytes.NewReader(text), int64(len(text)))
	if err != nil {
		t.Fatal(err)
	}
	p.files = map[string]*zip.File{"data.pkl": z.File[0]}
	if _, err := p.file("data.pkl"); err == nil || !strings.Contains(err.Error(), "overlap") {
		t.Error(err)
	}
}

func tupleOf(list ...int64) pickle.Tuple {
	out := pickle.Tuple{}
	for _, v := range list {
		out = append(out, v)
	}
	return out
}

func TestHalf(t *testing.T) {
	for bits, want := range map[uint16]float64{0x3c00: 1, 0xc000: -2, 0x0001: math.Pow(2, -24), 0x7bff: 65504, 0x7c00: math.Inf(1), 0x3555: 0.333251953125} {
		if got := half(bits); got != want {
			t.Errorf("%#x: %v, want %v", bits, got, want)
		}
	}
}

// TestTable reads both forms of CSV and refuses what is wrong with its line.
func TestTable(t *testing.T) {
	read := func(text string) ([]CaseDice, error) {
		path := filepath.Join(t.TempDir(), "f.csv")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return ReadTable(path, []string{"Anterior", "Posterior"})
	}
	wide, err := read("\ufeffcase,anterior,Posterior\r\nx,0.5,\r\n\"y\",1,0.25\r\n")
	if err != nil {
		t.Fatal(err)
	}
	long, err := read("label,case,dice\nAnterior,x,0.5\nPosterior,x,nan\nAnterior,y,1\nPosterior,y,0.25\n")
	if err != nil {
		t.Fatal(err)
	}
	for i := range wide {
		if wide[i].Case != long[i].Case || fmt.Sprint(wide[i].Dice) != fmt.Sprint(long[i].Dice) {
			t.Errorf("%v and %v", wide[i], long[i])
		}
	}
	if len(wide) != 2 || wide[0].Dice["Anterior"] != 0.5 || !math.IsNaN(wide[0].Dice["Posterior"]) {
		t.Error(wide)
	}
	for text, want := range map[string]string{
		"":                                                        "no cases",
		"case,Anterior\nx,1\n":                                    ":1: the header has no column \"Posterior\"",
		"case,Anterior,Posterior\nx,1\n":                          ":2: 2 fields",
		"case,Anterior,Posterior\nx,1,1.5\n":                      ":2: \"1.5\" is no Dice",
		"case,Anterior,Posterior\nx,1,1\nx,1,1":                   ":3: case x stands in line 2",
		"case,label,dice\nx,Anteriour,1\n":                        ":2: label \"Anteriour\"",
		"case,label,dice\nx,Anterior,1\n":                         ":2: case x has no row of label Posterior",
		"case,label,dice\nx,Anterior,1\nx,Anterior,1\n":           ":3: case x has a Dice of Anterior already",
		"case,Anterior,Posterior\nx,\"1,1\n":                      "quote",
		"case,Anterior,Posterior,anterior\nx,1,1,0\n":             ":1: the header has the column \"anterior\" twice",
		"case,fold,Anterior,Posterior\nx,first,1,1\n":             ":2: there is no fold \"first\"",
		"case,fold,label,dice\nx,0,Anterior,1\nx,1,Posterior,1\n": ":3: case x is of fold 0 in an earlier line, of fold 1 here",
	} {
		if _, err := read(text); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "f.csv") {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
}

func FuzzPth(f *testing.F) {
	w := &pthWriter{}
	text, err := w.file("x", dict("network_weights", dict("a", w.tensor(engine.Tensor{Shape: []int{2}, Data: []float32{1, 2}}))))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(text)
	for _, c := range hostile(f) {
		if len(c.text) < 1<<16 { // mutations of what is large are slow
			f.Add(archive(f, c.text))
		}
	}
	f.Fuzz(func(t *testing.T, text []byte) { readPth(text) }) // any error, no panic
}
