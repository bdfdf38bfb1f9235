//go:build e2e

package e2e

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// browser is a headless Chromium with a profile of its own.
type browser struct {
	t   testing.TB
	ctx context.Context
}

// openBrowser starts one; script says whether pages may run theirs.
func openBrowser(t testing.TB, script bool) *browser {
	t.Helper()
	o := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath("chromium"), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("hide-scrollbars", true))
	if os.Getuid() == 0 {
		o = append(o, chromedp.NoSandbox)
	}
	alloc, stop := chromedp.NewExecAllocator(context.Background(), o...)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(func() { cancel(); stop() })
	b := &browser{t, ctx}
	if err := chromedp.Do(ctx); err != nil { // begins the browser's life, which no timeout may end
		t.Fatalf("starting chromium: %v", err)
	}
	b.do(chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: !script})
		return err
	}))
	return b
}

// do takes steps within half a minute, and shows the page where that fails.
func (b *browser) do(steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.t.Fatalf("%v, at %s:\n%s", err, b.address(), b.text())
	}
}

// ask returns what a step finds, the zero value where it finds nothing.
func ask[T any](b *browser, step chromedp.Action[T]) T {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	found, _ := chromedp.Run(ctx, step)
	return found
}

func (b *browser) address() string { return ask(b, chromedp.Location()) }

// text is what the page says.
func (b *browser) text() string { return ask(b, chromedp.Text(chromedp.CSS("body"))) }

// open goes to an address.
func (b *browser) open(url string) {
	b.t.Helper()
	b.do(chromedp.Navigate(url))
}

// says fails unless the page comes to say the text.
func (b *browser) says(text string) {
	b.t.Helper()
	end := time.Now().Add(patience)
	for !strings.Contains(b.text(), text) {
		if time.Now().After(end) {
			b.t.Fatalf("the page at %s does not say %q but:\n%s", b.address(), text, b.text())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// click follows the link, or presses the button, with the text, what only screen readers read included.
func (b *browser) click(text string) {
	b.t.Helper()
	q := fmt.Sprintf(`//*[self::a or self::button or self::summary][normalize-space(.)=%q]`, text)
	b.do(chromedp.Click(q, chromedp.NodeVisible))
}

// fill types into the field of that name, in the form that goes to the path.
func (b *browser) fill(form, name, value string) {
	b.t.Helper()
	b.do(chromedp.SetValue(chromedp.CSS(fmt.Sprintf(`form[action=%q] [name=%q]`, form, name)), value))
}

// value is what a field or text area holds.
func (b *browser) value(css string) string {
	b.t.Helper()
	b.do(chromedp.WaitReady(chromedp.CSS(css)))
	return ask(b, chromedp.Value(chromedp.CSS(css)))
}

// looks are how every page is looked at.
var looks = []struct {
	name          string
	width, height int64
	scheme        string
}{
	{"desktop-light", 1280, 900, "light"}, {"desktop-dark", 1280, 900, "dark"},
	{"phone-light", 390, 844, "light"}, {"phone-dark", 390, 844, "dark"},
}

// shoot writes pictures of the present page into the folder.
func (b *browser) shoot(folder, name string) {
	b.t.Helper()
	for _, l := range looks {
		b.do(chromedp.EmulateViewport(l.width, l.height), chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
			_, err := cdp.Call(ctx, tab, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: l.scheme}}})
			return err
		}))
		png := ask(b, chromedp.FullScreenshot(100))
		if len(png) == 0 {
			b.t.Fatalf("no picture of %s", name)
		}
		if err := os.WriteFile(filepath.Join(folder, name+"-"+l.name+".png"), png, 0o600); err != nil {
			b.t.Fatal(err)
		}
	}
}
