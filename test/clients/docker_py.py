"""What docker-py is asked to do with Fairway, as a person would in a script. Ends with 0 when all of it is so."""

import io
import tarfile
import time
import unittest
import urllib.error
import urllib.request

import docker
from docker.types import Healthcheck, IPAMConfig, IPAMPool


def fetch(url, attempts=200):
    """What a server that has only just been started answers."""
    for left in reversed(range(attempts)):
        try:
            with urllib.request.urlopen(url) as answer:
                return answer.read()
        except (urllib.error.URLError, ConnectionError):
            if left == 0:
                raise
            time.sleep(0.05)


class DockerPy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.client = docker.from_env()

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def test_ping_version_info(self):
        self.assertTrue(self.client.ping())
        self.assertEqual(self.client.version()["MinAPIVersion"], "1.24")
        self.assertEqual(self.client.info()["OSType"], "linux")

    def test_run_gives_output_and_raises_for_an_exit_code(self):
        self.assertEqual(self.client.containers.run("busybox", "echo hello", remove=True), b"hello\n")
        with self.assertRaises(docker.errors.ContainerError) as caught:
            self.client.containers.run("busybox", ["sh", "-c", "echo bad >&2; exit 5"], remove=True)
        self.assertEqual(caught.exception.exit_status, 5)
        self.assertIn(b"bad", caught.exception.stderr)

    def test_network_with_an_address_and_a_published_port(self):
        pool = IPAMConfig(pool_configs=[IPAMPool(subnet="10.81.0.0/24")])
        network = self.client.networks.create("py", driver="bridge", ipam=pool, check_duplicate=True)
        container = self.client.containers.create(
            "busybox", "httpd -f -h /var/www", name="pyweb", ports={"80/tcp": ("127.0.0.1", None)}
        )
        network.connect(container, aliases=["www"], ipv4_address="10.81.0.7")
        container.start()
        container.reload()
        self.assertEqual(container.attrs["NetworkSettings"]["Networks"]["py"]["IPAddress"], "10.81.0.7")
        port = container.ports["80/tcp"][0]["HostPort"]
        self.assertIn(b"It works", fetch(f"http://127.0.0.1:{port}/"))
        said = self.client.containers.run("busybox", "wget -qO- http://www/", network="py", remove=True)
        self.assertIn(b"It works", said)
        network.reload()
        self.assertEqual([one.name for one in network.containers], ["pyweb"])
        network.disconnect(container)
        container.remove(force=True)
        network.remove()
        with self.assertRaises(docker.errors.NotFound):
            self.client.networks.get("py")

    def test_exec_logs_top_and_stats(self):
        container = self.client.containers.run("busybox", ["sh", "-c", "echo one; echo two >&2; sleep 1000"], detach=True)
        code, (out, err) = container.exec_run(["sh", "-c", "echo out; echo err >&2; exit 6"], demux=True)
        self.assertEqual((code, out, err), (6, b"out\n", b"err\n"))
        terminal = self.client.api.exec_create(container.id, ["echo", "on a terminal"], tty=True)
        self.assertEqual(self.client.api.exec_start(terminal), b"on a terminal\r\n")
        for number, line in enumerate(container.logs(stream=True, follow=True)):
            if number == 1:
                break
        self.assertEqual(sorted(container.logs().split()), [b"one", b"two"])
        self.assertIn("sleep 1000", str(container.top()["Processes"]))
        self.assertGreater(container.stats(stream=False)["memory_stats"]["usage"], 0)
        container.pause()
        container.reload()
        self.assertEqual(container.status, "paused")
        container.unpause()
        container.stop(timeout=1)
        self.assertEqual(container.wait()["StatusCode"], 137)
        container.remove(v=True)

    def test_a_web_socket_carries_input_and_output(self):
        client = docker.APIClient(base_url="tcp://127.0.0.1:2375")
        self.addCleanup(client.close)
        script = "while read line; do echo heard $line; done"
        made = client.create_container("busybox", ["sh", "-c", script], stdin_open=True)
        streams = {"stdin": 1, "stdout": 1, "stderr": 1, "stream": 1}
        attached = client.attach_socket(made, params=streams, ws=True)
        client.start(made)
        attached.send("one\n")
        self.assertEqual(attached.recv(), b"heard one\n")
        attached.send_binary(b"two\n")
        self.assertEqual(attached.recv(), b"heard two\n")
        attached.ping("there?")
        self.assertEqual(attached.recv_data(control_frame=True)[1], b"there?")
        client.remove_container(made, force=True)
        self.assertEqual(attached.recv_data(), (8, b"\x03\xe8"))
        attached.close()

    def test_files_go_in_and_out(self):
        container = self.client.containers.create("busybox", "cat /srv/in")
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as archive:
            entry = tarfile.TarInfo("srv/in")
            entry.size = 5
            archive.addfile(entry, io.BytesIO(b"words"))
        self.assertTrue(container.put_archive("/", packed.getvalue()))
        container.start()
        container.wait()
        self.assertEqual(container.logs(), b"words")
        parts, stat = container.get_archive("/srv/in")
        self.assertEqual(stat["size"], 5)
        with tarfile.open(fileobj=io.BytesIO(b"".join(parts))) as archive:
            self.assertEqual(archive.extractfile("in").read(), b"words")
        image = container.commit("committed", "one", changes=["CMD [\"cat\", \"/srv/in\"]"])
        container.remove()
        self.assertEqual(self.client.containers.run("committed:one", remove=True), b"words")
        self.client.images.remove(image.id, force=True)

    def test_volumes_limits_and_health(self):
        volume = self.client.volumes.create("pydata", labels={"made": "py"})
        container = self.client.containers.run(
            "busybox",
            ["sh", "-c", "echo kept >/data/a; sleep 1000"],
            detach=True,
            volumes={"pydata": {"bind": "/data", "mode": "rw"}},
            mem_limit="64m",
            healthcheck=Healthcheck(test=["CMD", "test", "-e", "/data/a"], interval=100_000_000, retries=1000),
            restart_policy={"Name": "on-failure", "MaximumRetryCount": 2},
        )
        for event in self.client.events(decode=True, since=0, filters={"type": "container", "container": container.id}):
            if event["Action"] == "health_status: healthy":
                break
        container.reload()
        self.assertEqual(container.attrs["HostConfig"]["Memory"], 64 * 1024 * 1024)
        self.assertEqual(container.attrs["State"]["Health"]["Status"], "healthy")
        container.remove(force=True)
        said = self.client.containers.run("busybox", "cat /data/a", volumes=["pydata:/data:ro"], remove=True)
        self.assertEqual(said, b"kept\n")
        volume.remove()
        self.assertEqual(self.client.volumes.list(), [])

    def test_a_build_from_a_file_object(self):
        dockerfile = io.BytesIO(b"FROM busybox\nRUN echo built >/made\nCMD [\"cat\", \"/made\"]\n")
        image, said = self.client.images.build(fileobj=dockerfile, tag="pybuilt:1", rm=True)
        self.assertTrue(any("Successfully built" in line.get("stream", "") for line in said))
        self.assertEqual(self.client.containers.run("pybuilt:1", remove=True), b"built\n")
        self.client.images.remove(image.id, force=True)

    def test_what_is_missing_or_wrong(self):
        with self.assertRaises(docker.errors.NotFound):
            self.client.containers.get("nosuch")
        with self.assertRaises(docker.errors.APIError):
            self.client.networks.create("bad", ipam=IPAMConfig(pool_configs=[IPAMPool(subnet="10.0.0.1/8")]))


if __name__ == "__main__":
    unittest.main()
