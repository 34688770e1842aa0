package dataset

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"runspec/compiler/plan"
)

func init() { retryPause, lockPause = time.Millisecond, time.Millisecond }

// member is one entry of a test archive; Link makes it a symbolic link.
type member struct{ Name, Text, Link string }

// archive makes a tar of members and gives its MD5.
func archive(t *testing.T, members ...member) ([]byte, string) {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, m := range members {
		head := &tar.Header{Name: m.Name, Mode: 0o600, Size: int64(len(m.Text)), Typeflag: tar.TypeReg}
		if m.Link != "" {
			head.Typeflag, head.Linkname = tar.TypeSymlink, m.Link
		}
		if strings.HasSuffix(m.Name, "/") {
			head.Typeflag = tar.TypeDir
		}
		if err := w.WriteHeader(head); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(m.Text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	sum := md5.Sum(b.Bytes())
	return b.Bytes(), hex.EncodeToString(sum[:])
}

var sound = []member{
	{Name: "Task99_Test/"}, {Name: "Task99_Test/dataset.json", Text: `{"name": "Test"}`}, {Name: "Task99_Test/._dataset.json", Text: "fork"},
	{Name: "./Task99_Test/imagesTr/a.nii.gz", Text: strings.Repeat("voxels", 5000)}, {Name: "Task99_Test/imagesTr/._a.nii.gz", Text: "fork"},
}

// serve answers with content and ranges of it, and notes the ranges asked for.
func serve(t *testing.T, content []byte) (url string, asked func() []string) {
	t.Helper()
	var mu sync.Mutex
	var ranges []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		ranges = append(ranges, r.Header.Get("Range"))
		mu.Unlock()
		http.ServeContent(w, r, "x.tar", time.Time{}, bytes.NewReader(content))
	}))
	t.Cleanup(s.Close)
	return s.URL + "/x.tar", func() []string { mu.Lock(); defer mu.Unlock(); return ranges }
}

func task99(url, sum string) plan.Source {
	return plan.Source{Kind: plan.Decathlon, Task: "Task99_Test", URL: url, MD5: sum}
}

func TestFetchDownloads(t *testing.T) {
	content, sum := archive(t, sound...)
	url, asked := serve(t, content)
	cache := t.TempDir()
	var last, total int64
	o := FetchOptions{CacheDir: cache, Progress: func(d, n int64) {
		if d < last {
			t.Errorf("progress fell from %d to %d", last, d)
		}
		last, total = d, n
	}}
	dir, err := Fetch(context.Background(), task99(url, strings.ToUpper(sum)), o)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "imagesTr", "a.nii.gz"))
	if err != nil || string(text) != sound[3].Text {
		t.Error("the file differs", err)
	}
	if last != int64(len(content)) || total != last {
		t.Errorf("progress ended at %d of %d; the archive has %d bytes", last, total, len(content))
	}
	if n, _ := filepath.Glob(filepath.Join(dir, "*", "._*")); len(n) != 0 {
		t.Errorf("resource forks were unpacked: %v", n)
	}
	if left, _ := filepath.Glob(filepath.Join(cache, "decathlon", "[^.]*")); len(left) != 1 {
		t.Errorf("left in the cache: %v", left)
	}
	again, err := Fetch(context.Background(), task99(url, sum), o)
	if err != nil || again != dir || len(asked()) != 1 {
		t.Errorf("the second fetch asked again: %v %v", asked(), err)
	}
}

// A transfer that breaks is resumed where it broke, in the same call and by the
// next one.
func TestFetchResumes(t *testing.T) {
	content, sum := archive(t, sound...)
	var calls atomic.Int32
	var ranges []string
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ranges = append(ranges, r.Header.Get("Range"))
		if calls.Add(1) == 1 { // promises everything and breaks off
			w.Header().Set("Content-Length", fmt.Sprint(len(content)))
			w.Write(content[:9000])
			return
		}
		http.ServeContent(w, r, "x.tar", time.Time{}, bytes.NewReader(content))
	}))
	defer s.Close()
	cache := t.TempDir()
	if _, err := Fetch(context.Background(), task99(s.URL, sum), FetchOptions{CacheDir: cache}); err != nil {
		t.Fatal(err)
	}
	if len(ranges) != 2 || ranges[0] != "" || ranges[1] != "bytes=9000-" {
		t.Errorf("asked for %q", ranges)
	}

	for name, have := range map[string]int{"half": 4321, "all": len(content)} {
		url, asked := serve(t, content)
		cache := t.TempDir()
		part := filepath.Join(cache, "decathlon", "Task99_Test.tar.part")
		if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(part, content[:have], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := Fetch(context.Background(), task99(url, sum), FetchOptions{CacheDir: cache}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got := asked(); len(got) != 1 || got[0] != fmt.Sprintf("bytes=%d-", have) {
			t.Errorf("%s: asked for %q", name, got)
		}
	}
}

// A server that cannot resume sends everything; what had arrived is replaced.
func TestFetchWithoutRanges(t *testing.T) {
	content, sum := archive(t, sound...)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Write(content) }))
	defer s.Close()
	cache := t.TempDir()
	part := filepath.Join(cache, "decathlon", "Task99_Test.tar.part")
	if err := os.MkdirAll(filepath.Dir(part), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(part, bytes.Repeat([]byte("?"), 2*len(content)), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Fetch(context.Background(), task99(s.URL, sum), FetchOptions{CacheDir: cache}); err != nil {
		t.Fatal(err)
	}
}

func TestFetchWrongChecksum(t *testing.T) {
	content, _ := archive(t, sound...)
	url, asked := serve(t, content)
	cache := t.TempDir()
	_, err := Fetch(context.Background(), task99(url, strings.Repeat("0", 32)), FetchOptions{CacheDir: cache})
	aside := filepath.Join(cache, "decathlon", "Task99_Test.tar.wrong")
	wantError(t, err, "wrong checksum", aside, "try again")
	if got, _ := os.ReadFile(aside); !bytes.Equal(got, content) {
		t.Error("the archive was not kept aside")
	}
	if isDir(filepath.Join(cache, "decathlon", "Task99_Test")) || len(asked()) != 1 {
		t.Error("it did not stop")
	}
}

func TestFetchRefusesMembersOutside(t *testing.T) {
	for name, bad := range map[string]member{
		"parent":   {Name: "Task99_Test/../../escape", Text: "x"},
		"absolute": {Name: "/tmp/runspec-escape", Text: "x"},
		"link":     {Name: "Task99_Test/escape", Link: "/etc"},
		"windows":  {Name: `Task99_Test\..\..\escape`, Text: "x"},
	} {
		t.Run(name, func(t *testing.T) {
			content, sum := archive(t, append(append([]member{}, sound...), bad)...)
			url, _ := serve(t, content)
			cache := filepath.Join(t.TempDir(), "a", "b")
			_, err := Fetch(context.Background(), task99(url, sum), FetchOptions{CacheDir: cache})
			wantError(t, err, "not to be trusted")
			if isDir(filepath.Join(cache, "decathlon", "Task99_Test")) {
				t.Error("the folder appeared")
			}
			filepath.WalkDir(filepath.Dir(filepath.Dir(cache)), func(path string, d os.DirEntry, err error) error {
				if strings.Contains(path, "escape") {
					t.Errorf("%s was written", path)
				}
				return err
			})
		})
	}
}

func TestFetchOtherArchives(t *testing.T) {
	for name, c := range map[string]struct {
		content []byte
		says    string
	}{"something else": {first(archive(t, member{Name: "readme", Text: "x"})), "dataset.json"}, "no tar": {[]byte(strings.Repeat("x", 3000)), "damaged"}} {
		url, _ := serve(t, c.content)
		_, err := Fetch(context.Background(), task99(url, ""), FetchOptions{CacheDir: t.TempDir()})
		if wantError(t, err, c.says); t.Failed() {
			t.Error(name)
		}
	}
}

func first(b []byte, _ string) []byte { return b }

func TestFetchServerErrors(t *testing.T) {
	for code, calls := range map[int]int32{404: 1, 403: 1, 503: int32(maxFailures)} {
		var n atomic.Int32
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { n.Add(1); w.WriteHeader(code) }))
		_, err := Fetch(context.Background(), task99(s.URL, ""), FetchOptions{CacheDir: t.TempDir()})
		wantError(t, err, fmt.Sprint(code), "--data", s.URL)
		if n.Load() != calls {
			t.Errorf("%d: asked %d times, want %d", code, n.Load(), calls)
		}
		s.Close()
	}
}

func TestFetchStalledAndCancelled(t *testing.T) {
	content, sum := archive(t, sound...)
	release := make(chan struct{})
	var calls atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 { // goes silent
			w.Write(content[:5000])
			w.(http.Flusher).Flush()
			<-release
			return
		}
		http.ServeContent(w, r, "x.tar", time.Time{}, bytes.NewReader(content))
	}))
	defer s.Close()
	defer close(release)
	defer func(d time.Duration) { stall = d }(stall)
	stall = 300 * time.Millisecond
	if _, err := Fetch(context.Background(), task99(s.URL, sum), FetchOptions{CacheDir: t.TempDir()}); err != nil {
		t.Error("a silent connection was not replaced:", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err := Fetch(ctx, task99(s.URL, sum), FetchOptions{CacheDir: t.TempDir()})
	if err == nil {
		t.Error("no error after cancellation")
	}
}

func TestFetchFromDataDir(t *testing.T) {
	data := t.TempDir()
	task := filepath.Join(data, "Task99_Test")
	if err := os.MkdirAll(task, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(task, "dataset.json"), []byte(`{"name": "Test"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	renamed := filepath.Join(t.TempDir(), "mine")
	if err := os.CopyFS(renamed, os.DirFS(task)); err != nil {
		t.Fatal(err)
	}
	source := plan.Source{Kind: plan.Decathlon, Task: "Task99_Test"}
	for given, want := range map[string]string{data: task, task: task, renamed: renamed} {
		if dir, err := Fetch(context.Background(), source, FetchOptions{DataDir: given}); err != nil || dir != want {
			t.Errorf("%s: %s %v", given, dir, err)
		}
	}
	other := plan.Source{Kind: plan.Decathlon, Task: "Task98_Other"}
	_, err := Fetch(context.Background(), other, FetchOptions{DataDir: task, CacheDir: t.TempDir()})
	wantError(t, err, "Task98_Other", "--data")
	_, err = Fetch(context.Background(), source, FetchOptions{DataDir: filepath.Join(data, "nowhere")})
	wantError(t, err, "nowhere", "--data")
}

func TestFetchFolderAndPhantom(t *testing.T) {
	data := t.TempDir()
	if err := os.Mkdir(filepath.Join(data, "mine"), 0o755); err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	dir, err := Fetch(ctx, plan.Source{Kind: plan.Folder, Path: "mine"}, FetchOptions{DataDir: data})
	if err != nil || dir != filepath.Join(data, "mine") {
		t.Error(dir, err)
	}
	_, err = Fetch(ctx, plan.Source{Kind: plan.Folder, Path: "yours"}, FetchOptions{DataDir: data})
	wantError(t, err, "yours", "correct the path")

	p := smallPhantom(2, 2)
	o := FetchOptions{CacheDir: t.TempDir()}
	var group sync.WaitGroup
	dirs := make([]string, 3)
	for i := range dirs { // as if several processes started at once
		group.Go(func() {
			var err error
			if dirs[i], err = Fetch(ctx, plan.Source{Kind: plan.Phantoms, Phantom: &p}, o); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	if dirs[0] != dirs[1] || dirs[1] != dirs[2] {
		t.Error(dirs)
	}
	if _, err := Open(dirs[0]); err != nil {
		t.Error(err)
	}
	p.Noise *= 2
	if other, err := Fetch(ctx, plan.Source{Kind: plan.Phantoms, Phantom: &p}, o); err != nil || other == dirs[0] {
		t.Error("other phantoms in the same folder", err)
	}
	for _, s := range []plan.Source{{Kind: plan.Phantoms}, {Kind: "nonsense"}, {Kind: plan.Decathlon, Task: "../x"}} {
		if _, err := Fetch(ctx, s, o); err == nil {
			t.Errorf("%+v: no error", s)
		}
	}
}
