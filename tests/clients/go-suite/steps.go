package suite

import (
	"context"
	"fmt"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
	"time"
)

const (
	// After so many steps that did not end, no further one is tried.
	lateMax = 3
	// How long a step may take to end after its context did.
	graceToEnd = 5 * time.Second
)

// steps runs steps one after the other, each with a limit of time, and prints a line for each.
type steps struct {
	limit time.Duration
	late  int
}

func (s *steps) step(name string, run func(context.Context) error) {
	if s.late >= lateMax {
		fail(name, fmt.Errorf("not tried, because %d steps before it were late", s.late))
		return
	}
	started := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), s.limit)
	defer cancel()
	result := make(chan error, 1)
	go func() {
		defer func() {
			if panicked := recover(); panicked != nil {
				result <- fmt.Errorf("panic: %v", panicked)
			}
		}()
		result <- run(ctx)
	}()
	select {
	case err := <-result:
		if ctx.Err() != nil {
			s.late++
		}
		if err != nil {
			fail(name, err)
			return
		}
		fmt.Printf("PASS %s [%.1f s]\n", name, time.Since(started).Seconds())
	case <-time.After(s.limit + graceToEnd):
		s.late++
		fail(name, fmt.Errorf("not done after %v", s.limit))
	}
}

func fail(name string, err error) {
	fmt.Printf("FAIL %s: %s\n", name, strings.ReplaceAll(err.Error(), "\n", "; "))
}

// version is that of a module in this program, or of what stands for it.
func version(module string) string {
	info, _ := debug.ReadBuildInfo()
	for _, dependency := range info.Deps {
		if dependency.Path == module {
			if dependency.Replace != nil {
				dependency = dependency.Replace
			}
			return strings.TrimPrefix(dependency.Version, "v")
		}
	}
	return "unknown"
}

// ReplicationFactor is that of the topics that a client creates itself: 3 in a cluster.
func ReplicationFactor() int16 {
	factor, err := strconv.ParseInt(os.Getenv("REPLICATION_FACTOR"), 10, 16)
	if err != nil {
		return 1
	}
	return int16(factor)
}

func recordsFromEnvironment() int {
	records, err := strconv.Atoi(os.Getenv("RECORDS"))
	if err != nil {
		fmt.Fprintln(os.Stderr, "RECORDS must be a number:", err)
		os.Exit(2)
	}
	return records
}

// Broker is the address of the broker.
func Broker() string {
	return os.Getenv("BROKER")
}

// Brokers has the addresses of all brokers of a cluster.
func Brokers() []string {
	return strings.Split(Broker(), ",")
}
