"""Judging a model beside the page: sample many digits, compare them with real ones, keep the report."""

from collections.abc import Iterator

from atelier.data.digits import load_digits
from atelier.diffusion.evaluation import EvaluationReport, EvaluationStep, evaluate, load_judges
from atelier.digits.models import Model
from atelier.digits.settings import DigitSettings
from atelier.digits.train_studio import in_words
from atelier.page.jobs import Job
from atelier.page import LiveCanvas, Scene

COUNTS = (100, 200, 500, 1000, 2000, 5000, 10_000)


class JudgeStudio:
    """Judges one model at a time; the newest report stays until the model changes."""

    def __init__(self, model: Model, settings: DigitSettings, n: int) -> None:
        self.canvas = LiveCanvas()
        self.model, self.settings, self.n = model, settings, n
        self.report: EvaluationReport | None = None
        self.note = ""
        self.canvas.drive(self._job)
        self.canvas.show(Scene((), clock="s", verb="Judge", brief=True))

    def close(self) -> None:
        """End the session: stop what runs, forget the widget."""
        self.canvas.close()

    def configure(self, model: Model, settings: DigitSettings, n: int) -> None:
        """Take another model, sampler or number of digits for the next run.

        Raises:
            UserError: there is no judge for the data set of this model.
        """
        other = model.denoiser is not self.model.denoiser
        self.model, self.settings, self.n = model, settings, n
        if other:
            self.report, self.note = None, ""
            self.canvas.drive(self._job)
            self.canvas.forget()
            self.canvas.publish(note="")
        load_judges(model.dataset)

    def _job(self) -> Job[EvaluationStep]:
        model, settings, n = self.model, self.settings, self.n

        def steps() -> Iterator[EvaluationStep]:
            judges = load_judges(model.dataset)
            training, test = load_digits(model.dataset), load_digits(model.dataset, "test")
            self.note = training.title if training.stand_in else ""
            yield from evaluate(
                model.denoiser,
                training,
                test,
                judges,
                n=n,
                sampler=settings.sampler,
                steps=settings.sampling_steps,
                guidance=settings.guide(model.guidance),
                seed=settings.seed,
            )

        def show(step: EvaluationStep) -> None:
            if job is not self.canvas.job:
                return
            if step.last:
                self.report = step.report
            if step.last or self.canvas.due():
                words = "" if step.last else f"{step.stage} · {in_words(step.seconds_left)} left"
                self.canvas.publish(step=round(100 * step.progress), total=f"% of {n:,} digits", note=words)

        job: Job[EvaluationStep] = Job(
            steps,
            on_step=show,
            on_change=lambda: self.canvas.publish() if job is self.canvas.job else None,
        )
        return job
