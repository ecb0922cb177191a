"""That a planted secret in the output of a test run is found, and that every one that the tests plant is looked for."""

import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SECRETS = ROOT / "tests/fixtures/planted-secrets.txt"

# Where tests plant secrets, and what such a secret looks like there.
PLANTS = ["tests/stack", "tests/scenarios", "crates/aws/tests", "crates/cli/tests"]
SHAPES = [
    r'"(xoxb-[^"{}]+)"',
    r'"[^"{}]*(/services/[A-Z0-9]+/[A-Z0-9]+/[^"{} ]+)"',
    r'(?:SECRET|KEY|TOKEN|WEBHOOK): &str = "([^"{}]+)"',
    r'"PAGERDUTY_INTEGRATION_KEY", "((?!ssm:)[^"{}]+)"',
]


class FindPlantedSecrets(unittest.TestCase):
    def find(self, text):
        with tempfile.TemporaryDirectory() as folder:
            output = Path(folder) / "output"
            output.write_bytes(text)
            command = [sys.executable, ROOT / "scripts/find_planted_secrets.py", output]
            ran = subprocess.run(command, capture_output=True, text=True, check=False)
        return ran.returncode, ran.stdout + ran.stderr

    def test_what_is_harmless_passes(self):
        self.assertEqual(self.find(b"test result: ok. xoxb- 0123456789abcdef\n\xff\n")[0], 0)

    def test_each_secret_is_found_and_not_repeated(self):
        lines = [line.strip() for line in SECRETS.read_text().splitlines()]
        secrets = [line for line in lines if line and not line.startswith("#")]
        self.assertGreater(len(secrets), 5)
        for secret in secrets:
            code, said = self.find(b"first\nsent to https://example.com/" + secret.encode() + b" and on\n")
            self.assertEqual(code, 1, said)
            self.assertIn(":2: a secret", said)
            self.assertNotIn(secret, said)

    def test_it_is_found_in_the_forms_that_programs_write(self):
        # As a query's parameter, and as the data of a Kubernetes secret or an Authorization header has it.
        for form in [b"key=%2Fservices%2FT000%2FB000%2Fstack&", b"c3RhY2staW50ZWdyYXRpb24ta2V5"]:
            self.assertEqual(self.find(form)[0], 1, form)

    def test_a_run_one_of_whose_steps_prints_it_fails(self):
        run = """source scripts/test.sh
            work=$(mktemp -d)
            step "first" echo "$0"
            step "second" bash -c 'echo and an error >&2'
            find_planted_secrets ""
            echo All passed"""
        for printed, code in [("harmless", 0), ("posted to xoxb-old-0123456789abcdef", 1)]:
            ran = subprocess.run(["bash", "-c", run, printed], cwd=ROOT, capture_output=True, text=True, check=False)
            said = ran.stdout + ran.stderr
            self.assertEqual(ran.returncode, code, said)
            self.assertEqual("All passed" in said, code == 0, said)
            # What a step prints is shown, in its order.
            self.assertLess(said.index(printed), said.index("and an error"), said)
        self.assertIn("a secret that a test planted is written here; it begins with xoxb-o", said)

    def test_the_report_of_the_tests_is_searched_and_must_be_there(self):
        run = 'source scripts/test.sh; work=$(mktemp -d); step "one" echo ran; find_planted_secrets "$0"; echo All passed'
        with tempfile.TemporaryDirectory() as folder:
            report = Path(folder) / "junit.xml"
            for content, code in [(None, 1), ("<system-out>fine</system-out>", 0), ("<system-out>xoxb-0123456789abcdef", 1)]:
                if content:
                    report.write_text(content)
                ran = subprocess.run(["bash", "-c", run, report], cwd=ROOT, capture_output=True, text=True, check=False)
                self.assertEqual((ran.returncode, "All passed" in ran.stdout), (code, code == 0), ran.stdout + ran.stderr)

    def test_a_step_that_fails_ends_the_run(self):
        run = 'source scripts/test.sh; work=$(mktemp -d); step "one" bash -c "echo why; exit 3"; echo All passed'
        ran = subprocess.run(["bash", "-c", run], cwd=ROOT, capture_output=True, text=True, check=False)
        self.assertEqual(ran.returncode, 1)
        self.assertIn("why", ran.stdout)
        self.assertIn("'one' failed (exit code 3)", ran.stderr)
        self.assertNotIn("All passed", ran.stdout)

    def test_an_output_that_is_not_there_is_no_clean_one(self):
        command = [sys.executable, ROOT / "scripts/find_planted_secrets.py"]
        self.assertEqual(subprocess.run([*command, "/nowhere"], capture_output=True, check=False).returncode, 2)
        self.assertEqual(subprocess.run(command, capture_output=True, check=False).returncode, 2)

    def test_every_secret_that_a_test_plants_is_on_the_list(self):
        listed = SECRETS.read_text().splitlines()
        missing = set()
        for folder in PLANTS:
            for source in sorted((ROOT / folder).rglob("*.rs")):
                text = source.read_text(encoding="utf-8")
                planted = {secret for shape in SHAPES for secret in re.findall(shape, text)}
                missing |= {f"{source.relative_to(ROOT)}: {secret}" for secret in planted if secret not in listed}
        self.assertEqual(missing, set())


if __name__ == "__main__":
    unittest.main()
