// gomemcache, Brad Fitzpatrick's Go client: text protocol, pipelined multi gets, compare and swap, a pool of
// connections. Usage: go run gomemcache.go text ADDRESS
// Prints TAP. Debian has its version of 2014, which has no append, prepend and statistics.

package main

import (
	"bytes"
	"fmt"
	"math"
	"math/rand"
	"os"
	"reflect"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/bradfitz/gomemcache/memcache"
)

var (
	address  = os.Args[2]
	checks   = 0
	failures = 0
)

func report(isRight bool, text string) {
	checks++
	if isRight {
		fmt.Println("ok - " + text)
	} else {
		failures++
		fmt.Println("not ok - " + text)
	}
}

func same(name string, actual, expected interface{}) {
	if reflect.DeepEqual(actual, expected) {
		report(true, name)
	} else {
		report(false, fmt.Sprintf("%s: expected %.200q, got %.200q", name, fmt.Sprint(expected), fmt.Sprint(actual)))
	}
}

func fails(name string, err error, words string) {
	report(err != nil && strings.Contains(err.Error(), words), fmt.Sprintf("%s %.200v", name, err))
}

func client() *memcache.Client {
	c := memcache.New(address)
	c.Timeout = 10 * time.Second
	return c
}

func item(key, value string) *memcache.Item {
	return &memcache.Item{Key: key, Value: []byte(value)}
}

// value is the value of a key, or the error as text.
func value(c *memcache.Client, key string) string {
	got, err := c.Get(key)
	if err != nil {
		return err.Error()
	}
	return string(got.Value)
}

func storing() {
	c := client()
	same("set", c.Set(&memcache.Item{Key: "storing", Value: []byte("one"), Flags: math.MaxUint32}), nil)
	got, err := c.Get("storing")
	same("get", []interface{}{string(got.Value), got.Flags, err}, []interface{}{"one", uint32(math.MaxUint32), nil})
	_, err = c.Get("storing-none")
	same("get of a missing key", err, memcache.ErrCacheMiss)
	same("add of a present key", c.Add(item("storing", "x")), memcache.ErrNotStored)
	same("add of a missing key", c.Add(item("storing-new", "x")), nil)
	same("replace of a present key", c.Replace(item("storing-new", "y")), nil)
	same("replace of a missing key", c.Replace(item("storing-none", "y")), memcache.ErrNotStored)
	same("after replace", value(c, "storing-new"), "y")
	same("delete", c.Delete("storing"), nil)
	same("delete again", c.Delete("storing"), memcache.ErrCacheMiss)
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	same("set of bytes of every kind", c.Set(item("storing", string(all)+"\r\nEND\r\n")), nil)
	same("get of them", value(c, "storing"), string(all)+"\r\nEND\r\n")
	same("an empty value", []interface{}{c.Set(item("storing", "")), value(c, "storing")}, []interface{}{nil, ""})
	fmt.Println("ok - append, prepend, stats, version, noreply # SKIP this version of gomemcache has none")
	checks++
}

func many() {
	c := client()
	keys := []string{"many-none"}
	for i := 0; i < 300; i++ {
		keys = append(keys, fmt.Sprintf("many-%d", i))
		if err := c.Set(item(keys[i+1], keys[i+1])); err != nil {
			same("set", err, nil)
		}
	}
	got, err := c.GetMulti(keys)
	isRight := err == nil && len(got) == 300
	for key, item := range got {
		isRight = isRight && string(item.Value) == key
	}
	report(isRight, "GetMulti")
	var group sync.WaitGroup
	c.Set(item("many-n", "0"))
	for i := 0; i < 10; i++ {
		group.Add(1)
		go func() {
			defer group.Done()
			for n := 0; n < 50; n++ {
				c.Increment("many-n", 2)
			}
		}()
	}
	group.Wait()
	same("a counter of many", strings.TrimRight(value(c, "many-n"), " "), "1000")
}

func swapping() {
	c := client()
	c.Set(item("swapping", "one"))
	first, _ := c.Get("swapping")
	second, _ := c.Get("swapping")
	first.Value = []byte("two")
	same("compare and swap", c.CompareAndSwap(first), nil)
	same("with an old unique", c.CompareAndSwap(second), memcache.ErrCASConflict)
	same("after it", value(c, "swapping"), "two")
	c.Delete("swapping")
	err := c.CompareAndSwap(first)
	report(err == memcache.ErrNotStored || err == memcache.ErrCacheMiss, "of a missing key")
}

func counting() {
	c := client()
	c.Set(item("counting", "10"))
	up, _ := c.Increment("counting", 5)
	down, _ := c.Decrement("counting", 4)
	zero, _ := c.Decrement("counting", 100)
	same("up, down, below zero", []uint64{up, down, zero}, []uint64{15, 11, 0})
	c.Set(item("counting", "18446744073709551615"))
	over, _ := c.Increment("counting", 2)
	same("over the end", over, uint64(1))
	_, err := c.Increment("counting-none", 1)
	same("increment of a missing key", err, memcache.ErrCacheMiss)
	_, err = c.Decrement("counting-none", 1)
	same("decrement of a missing key", err, memcache.ErrCacheMiss)
	c.Set(item("counting", "word"))
	_, err = c.Increment("counting", 1)
	fails("increment of a word", err, "non-numeric")
}

func expiring() {
	c := client()
	names := []string{"expiring", "expiring-saved", "expiring-cut"}
	c.Set(&memcache.Item{Key: names[0], Value: []byte("v"), Expiration: 2})
	c.Set(&memcache.Item{Key: names[1], Value: []byte("v"), Expiration: 2})
	c.Set(item(names[2], "v"))
	same("touch to be longer", c.Touch(names[1], 100), nil)
	same("touch to be shorter", c.Touch(names[2], 2), nil)
	same("touch of a missing key", c.Touch("expiring-none", 100), memcache.ErrCacheMiss)
	present := func() []string {
		got, _ := c.GetMulti(names)
		keys := []string{}
		for key := range got {
			keys = append(keys, key)
		}
		sort.Strings(keys)
		return keys
	}
	same("all before", len(present()), 3)
	for end := time.Now().Add(5 * time.Second); len(present()) > 1 && time.Now().Before(end); {
		time.Sleep(50 * time.Millisecond)
	}
	same("one is left after", present(), names[1:2])
	same("add after expiry", c.Add(item("expiring", "again")), nil)
}

func sizes() {
	c := client()
	large := make([]byte, 512000)
	rand.New(rand.NewSource(1)).Read(large)
	same("set of 512,000 bytes", c.Set(&memcache.Item{Key: "sizes", Value: large}), nil)
	got, err := c.Get("sizes")
	report(err == nil && bytes.Equal(got.Value, large), "get of 512,000 bytes")
	fails("set of 2 MB", c.Set(&memcache.Item{Key: "sizes", Value: make([]byte, 2<<20)}), "too large")
	same("no stale value after it", value(c, "sizes"), memcache.ErrCacheMiss.Error())
	key := strings.Repeat("k", 250)
	same("a key of 250", []interface{}{c.Set(item(key, "v")), value(c, key)}, []interface{}{nil, "v"})
	same("a key of 251", c.Set(item(key+"k", "v")), memcache.ErrMalformedKey)
	for _, name := range []string{"k,;:=/?[]{}|", "get", "noreply"} {
		same("the key "+name, []interface{}{c.Set(item(name, name)), value(c, name)}, []interface{}{nil, name})
	}
}

func flushing() {
	c := client()
	c.Set(item("flushing", "v"))
	same("flush", c.FlushAll(), nil)
	same("get after flush", value(c, "flushing"), memcache.ErrCacheMiss.Error())
	same("set after flush", []interface{}{c.Set(item("flushing", "w")), value(c, "flushing")}, []interface{}{nil, "w"})
	same("flush by the other name", c.DeleteAll(), nil)
	same("get after it", value(c, "flushing"), memcache.ErrCacheMiss.Error())
}

func main() {
	for _, run := range []func(){storing, many, swapping, counting, expiring, sizes, flushing} {
		run()
	}
	fmt.Printf("1..%d\n", checks)
	if failures > 0 {
		os.Exit(1)
	}
}
