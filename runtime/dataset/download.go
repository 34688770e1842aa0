package dataset

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// How patient a download is.
var (
	lockPause   = 200 * time.Millisecond // between looks at another process's lock
	retryPause  = time.Second            // before the first retry; doubles
	stall       = time.Minute            // without a byte: the connection is given up
	maxFailures = 5                      // in a row without a byte gained
)

// download brings url to path. What has arrived is kept in path.part and resumed
// (HTTP Range), within this call and by later ones. The file gets its name only
// with the right MD5 (hexadecimal; "" accepts any); one with a wrong MD5 is kept
// as path.wrong, and the error says so.
func download(ctx context.Context, url, sum, path string, o FetchOptions) error {
	if isFile(path) && checkMD5(path, sum) == nil { // only unpacking failed the last time
		return nil
	}
	part := path + ".part"
	for failures := 0; ; {
		before := size(part)
		done, err := resume(ctx, url, part, o)
		if done {
			break
		}
		if ctx.Err() != nil {
			return fmt.Errorf("download %s: %w; what has arrived is kept, and the next try resumes it", url, ctx.Err())
		}
		if failures++; size(part) > before {
			failures = 1
		}
		var final *refused
		if errors.As(err, &final) || failures >= maxFailures {
			return fmt.Errorf("download %s: %w; check the network, or put the data set into a folder and give --data", url, err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(retryPause << (failures - 1)):
		}
	}
	if err := checkMD5(part, sum); err != nil {
		wrong := path + ".wrong"
		if e := os.Rename(part, wrong); e != nil {
			return errors.Join(err, e)
		}
		return fmt.Errorf("download %s: %w; the file is kept as %s: the transfer was damaged or the server has another file; remove it and try again", url, err, wrong)
	}
	return os.Rename(part, path)
}

func isFile(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular()
}

func size(path string) int64 {
	info, err := os.Stat(path)
	if err != nil {
		return 0
	}
	return info.Size()
}

func checkMD5(path, want string) error {
	if want == "" {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	h := md5.New()
	if _, err := io.Copy(h, f); err != nil {
		return err
	}
	if got := hex.EncodeToString(h.Sum(nil)); !strings.EqualFold(got, want) {
		return fmt.Errorf("wrong checksum: MD5 %s, expected %s", got, want)
	}
	return nil
}

// refused is an answer that another try would not change.
type refused struct{ status string }

func (e *refused) Error() string { return "the server answers " + e.status }

// resume asks for what part lacks and appends it. done means that it is complete.
func resume(ctx context.Context, url, part string, o FetchOptions) (done bool, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	watch := time.AfterFunc(stall, func() { cancel(fmt.Errorf("no byte in %v", stall)) })
	defer watch.Stop()
	have := size(part)
	answer, err := ask(ctx, url, have, o.Client)
	if err != nil {
		return false, firstError(context.Cause(ctx), err)
	}
	defer answer.Body.Close()
	switch answer.StatusCode {
	case http.StatusPartialContent:
		if start, ok := rangeStart(answer); !ok || start != have {
			return false, errors.Join(errors.New("the server sends another part than the one asked for"), removeIfThere(part))
		}
	case http.StatusOK: // the whole file, perhaps since the server cannot resume
		have = 0
	case http.StatusRequestedRangeNotSatisfiable:
		if total, ok := rangeTotal(answer); ok && total == have {
			return true, nil
		}
		return false, errors.Join(errors.New("what has arrived does not belong to the server's file; starting anew"), removeIfThere(part))
	default:
		if answer.StatusCode < 500 && answer.StatusCode != http.StatusTooManyRequests && answer.StatusCode != http.StatusRequestTimeout {
			return false, &refused{answer.Status}
		}
		return false, fmt.Errorf("the server answers %s", answer.Status)
	}
	total := int64(-1)
	if answer.ContentLength >= 0 {
		total = have + answer.ContentLength
	}
	body := &counting{r: answer.Body, done: have, total: total, show: o.Progress, alive: func() { watch.Reset(stall) }}
	if err := appendTo(part, have, body); err != nil {
		return false, firstError(context.Cause(ctx), err)
	}
	if total >= 0 && body.done != total {
		return false, io.ErrUnexpectedEOF
	}
	return true, nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

func ask(ctx context.Context, url string, from int64, client *http.Client) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, &refused{err.Error()}
	}
	if from > 0 {
		request.Header.Set("Range", fmt.Sprintf("bytes=%d-", from))
	}
	if client == nil {
		client = http.DefaultClient
	}
	return client.Do(request)
}

// rangeStart reads "bytes 5-9/10", rangeTotal "bytes */10".
func rangeStart(r *http.Response) (int64, bool) {
	text, ok := strings.CutPrefix(r.Header.Get("Content-Range"), "bytes ")
	first, _, _ := strings.Cut(text, "-")
	n, err := strconv.ParseInt(first, 10, 64)
	return n, ok && err == nil
}

func rangeTotal(r *http.Response) (int64, bool) {
	_, total, ok := strings.Cut(r.Header.Get("Content-Range"), "/")
	n, err := strconv.ParseInt(total, 10, 64)
	return n, ok && err == nil
}

// appendTo writes from r after the first keep bytes of a file, and syncs.
func appendTo(path string, keep int64, r io.Reader) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return &refused{err.Error()}
	}
	defer f.Close()
	if err := f.Truncate(keep); err != nil {
		return err
	}
	if _, err := f.Seek(keep, io.SeekStart); err != nil {
		return err
	}
	if _, err := io.Copy(f, r); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	return f.Close()
}

// counting reports the bytes that pass.
type counting struct {
	r           io.Reader
	done, total int64
	show        func(done, total int64)
	alive       func()
}

func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.done += int64(n)
	if n > 0 {
		c.alive()
		if c.show != nil {
			c.show(c.done, c.total)
		}
	}
	return n, err
}
