// Prints how upstream's rings place clusters: one line of JSON per case.
package main

import (
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"strconv"

	"github.com/argoproj/argo-cd/v3/controller/sharding/consistent"
)

type testCase struct {
	Replicas   int            `json:"replicas"`
	IDs        []string       `json:"ids"`
	Apps       []int64        `json:"apps"`
	Legacy     map[string]int `json:"legacy"`
	Consistent map[string]int `json:"consistent"`
}

func main() {
	out := json.NewEncoder(os.Stdout)
	for _, replicas := range []int{1, 2, 3, 5, 7, 12} {
		for _, count := range []int{0, 1, 4, 33} {
			for load := range 3 {
				c := testCase{Replicas: replicas, IDs: []string{}, Apps: []int64{}, Legacy: map[string]int{}, Consistent: map[string]int{}}
				ring := consistent.New()
				loads := map[string]int64{}
				for i := range replicas {
					ring.Add(strconv.Itoa(i))
				}
				for i := range count {
					id := fmt.Sprintf("%06d-%d", i, load)
					if i%3 == 0 {
						id = fmt.Sprintf("%06d-8f0c6d3e-22b1-4a%02x-b1a3-0123456789ab", i, i*7%256)
					}
					apps := int64(0)
					switch load {
					case 1:
						apps = int64(i*i%17) + 1
					case 2:
						apps = int64((i * 37) % 5 * 40)
					}
					c.IDs = append(c.IDs, id)
					c.Apps = append(c.Apps, apps)
					h := fnv.New32a()
					h.Write([]byte(id))
					c.Legacy[id] = int(h.Sum32() % uint32(replicas))
					shard, err := ring.GetLeast(id)
					if err != nil {
						panic(err)
					}
					c.Consistent[id], err = strconv.Atoi(shard)
					if err != nil {
						panic(err)
					}
					loads[shard] += apps
					ring.UpdateLoad(shard, loads[shard])
				}
				if err := out.Encode(c); err != nil {
					panic(err)
				}
			}
		}
	}
}
