"""A pass of mean-field inference over Fashion-MNIST (784-100-100-10 relu, minibatches of 256, one draw, one thread) and probabilities
of 10,000 rows by 10 draws, beside bayesian-torch, torchbnn, a hand-written loop and IVON (../shared/peers/W3.py), in one run.

    PEERS_HOME=~/peers python3 Tests/Benchmarks/mean_field_speed.py [.build/release/bnn-update]

Ours: between 5 and 9 passes, before which one pass goes into the starting network each time; predictions between 10 and 110
draws. Processor seconds; the peers' are medians of their passes."""
import json, os, pathlib, subprocess, sys, tempfile
import uci

binary = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else uci.default_binary).resolve()
peers, home = uci.root.parent / "shared" / "peers", os.environ.get("PEERS_HOME", os.path.expanduser("~/peers"))
data = pathlib.Path(home) / "data"
if not peers.exists() or not (data / "fmnist_train_x.npy").exists():
    sys.exit("skipped: the peers or their data are not there")
run = uci.command(binary)
ours = {}
with tempfile.TemporaryDirectory() as folder:
    posterior = f"{folder}/p.safetensors"
    train = [data / "fmnist_train_x.npy", "--labels", data / "fmnist_train_y.npy"]
    test = [data / "fmnist_test_x.npy", "--labels", data / "fmnist_test_y.npy"]
    for name in ("adam", "natural-gradient"):
        times = [
            min(run("fit", *train, "--hidden", "100,100", "--activation", "relu", "--method", "mean-field", "--optimizer", name,
                    "--epochs", passes, "--all-epochs", "--batch-size", 256, "--normalize", "none", "--threads", 1,
                    "-o", posterior, "--force")["cpu_seconds"] for _ in range(2))
            for passes in (5, 9)]
        ours[name] = (times[1] - times[0]) / 4
    times = [
        min(run("evaluate", posterior, *test, "--predictive", "network-monte-carlo", "--samples", draws, "--threads", 1)
            ["cpu_seconds"] for _ in range(2)) for draws in (10, 110)]
    ours["prediction"] = (times[1] - times[0]) / 10
names = "vi_handwritten,vi_bayesian_torch,vi_torchbnn,ivon"
done = subprocess.run(
    [f"{home}/venv/bin/python", "W3.py", "--threads", "1", "--reps", "1", "--only", names], cwd=peers, text=True,
    capture_output=True, env=os.environ | {"PEERS_HOME": home})
rivals = {r["peer"]: r["cpu_s_med_min"] for r in map(json.loads, done.stdout.splitlines()) if "error" not in r}
print("| what | rival | bnn-update | ratio |\n|---|---|---|---|")
for name, seconds in rivals.items():
    own = ours["natural-gradient" if name == "ivon" else "adam"]
    print(f"| a pass; {name} | {seconds['epoch'][0]:.2f} | {own:.2f} | {seconds['epoch'][0] / own:.1f} |")
for name, seconds in rivals.items():
    value = seconds["predict_10k_10MC"][0]
    print(f"| 10 draws × 10,000 rows; {name} | {value:.2f} | {ours['prediction']:.2f} | {value / ours['prediction']:.1f} |")
